"""Which files a command reads, and the names of what it writes."""

import pytest

from napari_centermask.cli.plan import output_names, plan
from napari_centermask.core.errors import BadImage, BadSettings

pytestmark = pytest.mark.usefixtures("network")


def test_output_names_all_differ(tmp_path):
    paths = ["a/s/i.tif", "b/s/i.tif", "b/s/i.png", "b/s/I.PNG", "s_i.tif", "j.tif"]
    names = output_names([tmp_path / p for p in paths])
    assert len({n.casefold() for n in names}) == len(paths)
    assert names[-1] == "j"


def test_the_coco_names_of_images_differ_in_folders_of_one_name(tmp_path):
    for place in ("a/s", "b/s"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "i.png").touch()
    files = plan([tmp_path / "a" / "s", tmp_path / "b" / "s"], tmp_path / "out", ["labels"])
    assert [f.name for f in files] == ["a/s/i.png", "b/s/i.png"]


def test_images_of_the_same_name_do_not_overwrite_each_other(tmp_path):
    paths = [tmp_path / "one" / "a.png", tmp_path / "two" / "a.png"]
    for path in paths:
        path.parent.mkdir()
        path.touch()
    assert [j.labels.name for j in plan(paths, tmp_path, ["labels"])] == ["one_a_labels.tif", "two_a_labels.tif"]
    with pytest.raises(BadSettings, match="is given twice"):
        plan([paths[0], paths[0]], tmp_path, ["labels"])


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(BadImage, match="has no images"):
        plan([tmp_path], tmp_path, ["labels"])


def test_a_pattern_is_its_files_in_natural_order(tmp_path):
    for name in ("a10.tif", "a2.tif", "b.tif", "c.png"):
        (tmp_path / name).touch()  # damaged ones are left to their turn
    assert [f.image.name for f in plan([tmp_path / "a*.tif"], tmp_path, [])] == ["a2.tif", "a10.tif"]
    with pytest.raises(BadImage, match="does not exist"):
        plan([tmp_path / "d*.tif"], tmp_path, [])
