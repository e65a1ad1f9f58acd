"""Images leave a project and come back."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from strokes import assert_same, draw, square

from napari_centermask.core.errors import (
    BadSettings,
    ChangedOutside,
)
from napari_centermask.core.tools import to_changes
from napari_centermask.io.project import Project


def test_an_image_replaced_by_one_of_another_size_keeps_its_cells_and_is_reported(folder):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(folder / "a1.png")
    with Project.open(folder) as again:
        assert "pixels when its cells were drawn" in again.image(1).problem
        assert len(again.result(1)) == 1


def test_a_removed_image_keeps_its_cells_apart_and_brings_them_back(folder):
    with Project.open(folder) as project:
        for id in (1, 2):
            draw(project, id, square(1, 1, 9, 9))
        draw(project, 2, square(20, 20, 30, 30), status="rejected")
        project.set_status(2, "reviewed")
        project.set_group(2, "well B")
        before = project.result(2)
        name, path = project.image(2).file_name, project.image(2).path
        project.remove_image(2)
        assert 2 not in project
        assert [i.id for i in project.images] == [1, 3, 4]
        assert not project.unsaved
    assert path.exists()
    data = json.loads((folder / "annotations.json").read_text())
    assert [i["file_name"] for i in data["images"]] == ["a1.png"]
    assert len(data["annotations"]) == 1
    (kept,) = data["napari_centermask"]["removed"]
    assert (kept["entry"]["file_name"], len(kept["annotations"]), len(kept["hidden"])) == (name, 1, 1)
    with Project.open(folder) as project:
        assert not project.recovered
        project.add_category("other")
        project.history(1).do("change", _recategorised(project.result(1)))
        with pytest.raises(BadSettings, match="removed"):
            project.remove_category(1)
        project.add_images([path])
        assert project.images[-1].group == "well B"
        assert project.images[-1].status == "reviewed"
        again = project.images[-1].id
        assert_same({1: project.result(again)}, {1: before})
        crashed = shutil.copytree(folder, folder.parent / "crashed")  # before it was saved
        project.save()
    assert "removed" not in json.loads((folder / "annotations.json").read_text()).get("napari_centermask", {})
    for place in (folder, crashed):
        with Project.open(place) as project:
            assert_same({1: project.result(again)}, {1: before})


def _recategorised(result):

    return to_changes([(c, replace(c, category=2)) for c in result], (), result)


def test_an_image_stays_if_the_project_cannot_be_saved(folder):
    with Project.open(folder) as project:
        draw(project, 2, square(1, 1, 9, 9))
        project.save()
        draw(project, 2, square(11, 11, 19, 19))
        (folder / "annotations.json").write_text("{}")
        with pytest.raises(ChangedOutside):
            project.remove_image(2)
        assert [i.id for i in project.images] == [1, 2, 3, 4]
        assert len(project.result(2)) == 2
        project.save(overwrite=True)
    with Project.open(folder) as project:
        assert len(project.result(2)) == 2


def test_another_file_of_the_same_name_gets_no_cells(tmp_path, folder):
    (tmp_path / "other").mkdir()
    elsewhere = shutil.copy(folder / "a1.png", tmp_path / "other" / "b.png")
    third = tmp_path / "third"
    third.mkdir()
    with Project.open(folder) as project:
        project.add_images([elsewhere])
        draw(project, 5, square(1, 1, 9, 9))
        project.remove_image(5)
        project.add_images([shutil.copy(folder / "a1.png", third / "b.png")])
        assert len(project.result(project.images[-1].id)) == 0
