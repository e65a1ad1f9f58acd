"""Paths of images in files that hold several."""

from __future__ import annotations

import pytest

from napari_centermask.io.image_names import clean_name
from napari_centermask.io.scene_paths import exists, file_of, flat, flat_name, safe_names, split


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "slide.lif"
    path.write_bytes(b"x")
    return path


def test_a_path_that_goes_on_behind_a_file_is_a_scene_of_it(file):
    assert split(file) == (file, "")
    assert split(file / "A" / "1") == (file, "A/1")
    assert file_of(file / "Series 1") == file
    assert flat(file / "A" / "1") == file.with_name("slide_A_1.lif")
    assert flat(file) == file


def test_files_and_folders_have_no_scenes(tmp_path, file):
    for path in (tmp_path, tmp_path / "gone.lif", tmp_path / "a" / "b"):
        assert split(path) == (path, "")
        assert not exists(path)
    assert exists(file)
    assert exists(file / "Series 1")
    assert not exists(tmp_path / "a\0b")


def test_a_file_that_is_gone_is_known_by_its_ending(tmp_path):
    gone = tmp_path / "gone.lif"
    assert split(gone / "Series 1") == (gone, "Series 1")
    assert not exists(gone / "Series 1")
    (tmp_path / "a.tif").mkdir()
    assert split(tmp_path / "a.tif" / "b.png") == (tmp_path / "a.tif" / "b.png", "")


def test_an_image_in_an_ome_zarr_is_one_of_its_scenes(tmp_path):
    plate = tmp_path / "plate.ome.zarr"
    (plate / "A" / "1" / "0").mkdir(parents=True)
    (plate / ".zgroup").write_text("{}")
    assert split(plate / "A" / "1" / "0") == (plate, "A/1/0")
    assert exists(plate)
    assert flat(plate / "A" / "1" / "0").name == "plate.ome_A_1_0.zarr"


@pytest.mark.parametrize(
    ("name", "flat"),
    [
        ("p.zarr/A/1/0", "p_A_1_0"),
        ("x/slide.lif/Series 1.5", "slide_Series 1.5"),
        ("a/b.png", "b"),
        ("b", "b"),
        ("a/b", "b"),
    ],
)
def test_a_name_becomes_one_without_folders(name, flat):
    assert flat_name(name) == flat


def test_a_number_for_a_scene_of_the_same_name_is_no_other_scenes_name():
    assert safe_names(["a (2)", "a", "a"]) == ["a (2)", "a", "a (3)"]


def test_names_of_scenes_can_be_parts_of_paths_and_differ():
    names = safe_names(["Series 1", "A/1", "A:1", "Series 1", "..", "", "a\nb", "end."])
    assert names == ["Series 1", "A_1", "A_1 (2)", "Series 1 (3)", "4", "5", "ab", "end"]
    for name in names:
        assert clean_name(f"slide.lif/{name}") == f"slide.lif/{name}"
