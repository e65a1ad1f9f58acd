"""Images of files with several are images of a project each."""

from __future__ import annotations

import json

import numpy as np
import pytest
from strokes import draw, square

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.export import export
from napari_centermask.io.images import read_image
from napari_centermask.io.own_files import check_target
from napari_centermask.io.project import Project

NAMES = ["slide.lif/Series 1", "slide.lif/Series_2_x"]


@pytest.fixture
def slides(tmp_path, lif):
    """A folder with a LIF of two images."""
    folder = tmp_path / "experiment"
    folder.mkdir()
    path, *_ = lif(folder / "slide.lif")
    return path


def test_a_folder_becomes_a_project_with_each_image_and_keeps_their_cells(slides):
    with Project.open(slides.parent) as project:
        assert [i.file_name for i in project.images] == NAMES
        assert [(i.shape, i.leading, i.pixel_size_um) for i in project.images] == [
            ((40, 50), (3,), pytest.approx(0.5)),
            ((40, 50), (), pytest.approx(0.5)),
        ]
        assert not project.new_files()
        draw(project, list(project.images)[1].id, square(3, 4, 8, 10, (40, 50)))
        project.save()
    with Project.open(slides.parent) as project:
        assert not any(i.problem for i in project.images)
        assert [len(project.result(i.id)) for i in project.images] == [0, 1]


def test_images_are_added_with_their_file_copied_once(tmp_path, slides):
    folder = tmp_path / "other"
    folder.mkdir()
    np.save(folder / "a.npy", np.zeros((20, 20), np.uint8))
    with Project.open(folder) as project:
        assert project.add_images([slides], copy=True) == []
        assert [i.file_name for i in project.images] == ["a.npy", *(f"images/{n}" for n in NAMES)]
        assert [p.name for p in (folder / "images").iterdir()] == ["slide.lif"]
        assert project.add_images([slides.parent / NAMES[0]]) == []  # another file, linked
        assert "already in the project" in project.add_images([folder / "images" / NAMES[0]])[0]


def test_one_image_of_a_file_can_be_added_alone(tmp_path, slides):
    with Project.open(slides.parent) as project:
        project.remove_image(list(project.images)[0].id)
        assert [i.file_name for i in project.images] == NAMES[1:]
        project.add_images([slides / "Series 1"])
        assert [i.file_name for i in project.images] == NAMES[::-1]


def test_a_file_that_was_moved_is_found_again_by_its_own_path(tmp_path, slides):
    folder = tmp_path / "other"
    folder.mkdir()
    np.save(folder / "a.npy", np.zeros((20, 20), np.uint8))
    with Project.open(folder) as project:
        project.add_images([slides / "Series 1"])
        id = list(project.images)[1].id
        moved = slides.rename(tmp_path / "moved.lif")
        project.relocate(id, moved)
        assert project.image(id).path == moved / "Series 1"
        assert read_image(project.image(id).path).plane_shape == (40, 50)


def test_an_export_with_copies_has_the_file_once_and_reads_back(tmp_path, slides):
    with Project.open(slides.parent) as project:
        for image in project.images:
            draw(project, image.id, square(3, 4, 8, 10, (40, 50)), plane=(0,) * len(image.leading))
        export(project, tmp_path / "out", copy_images=True)
    assert [p.name for p in (tmp_path / "out" / "images").iterdir()] == ["slide.lif"]
    text = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert {i["file_name"] for i in text["images"]} == {f"images/{n}" for n in NAMES}
    records = read_coco(tmp_path / "out" / "annotations.json", images_root=tmp_path / "out")
    assert {str(r.path) for r in records} == {str(tmp_path / "out" / "images" / n) for n in NAMES}


def test_the_file_of_an_image_is_never_replaced(slides):
    with Project.open(slides.parent) as project:
        project.save()
        with pytest.raises(BadSettings, match="belongs to the project"):
            check_target(slides)
