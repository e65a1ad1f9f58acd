"""Files become a project's images."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image
from strokes import draw, square

from napari_centermask.core.errors import (
    BadImage,
    BadProject,
    CannotSave,
)
from napari_centermask.io.project import Project


def test_linked_and_copied_images(tmp_path, folder):
    place = tmp_path / "project"
    images = [folder / "a1.png", folder / "stack.tif"]
    with Project.create(place, images) as linked:
        assert [i.path for i in linked.images] == images
        assert [p.name for p in place.iterdir() if p.suffix == ".png"] == []
        assert linked.add_images([folder / "a1.png"]) == ["a1.png is already in the project."]
        assert linked.add_images([folder / "a2.png"], copy=True) == []
        assert linked.image(3).path == place / "images" / "a2.png"
        assert linked.image(3).file_name == "images/a2.png"
        draw(linked, 1, square(3, 4, 20, 30))
        linked.save()
    with pytest.raises(BadProject, match="already"):
        Project.create(place)
    (folder / "a1.png").rename(tmp_path / "moved.png")
    with Project.open(place) as again:
        assert "missing" in again.image(1).problem
        assert len(again.result(1)) == 1
        again.relocate(1, tmp_path / "moved.png")
        assert again.image(1).problem == ""
        other = tmp_path / "other.png"
        Image.fromarray(np.zeros((5, 5), np.uint8)).save(other)
        with pytest.raises(BadImage, match="pixels when its cells were drawn"):
            again.relocate(1, other)
    with pytest.raises(BadProject, match="Choose image files"):
        Project.create(tmp_path / "third", [tmp_path / "none.png"])


def test_images_of_one_name_from_two_folders_stay_apart(tmp_path, folder):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    with Project.create(tmp_path / "p", [folder / "a1.png", other / "a1.png"], copy=True) as project:
        assert [i.file_name for i in project.images] == ["images/a1.png", "images/other_a1.png"]
        assert all(i.path.is_file() for i in project.images)


def test_damaged_images_are_listed_with_what_is_wrong(folder):
    (folder / "a2.png").write_bytes(b"no image")
    with Project.open(folder) as project:
        assert "cannot be read" in project.image(2).problem
        with pytest.raises(BadImage, match="cannot be read"):
            project.result(2)
        with pytest.raises(BadImage):
            project.set_status(2, "reviewed")
        project.save()


def test_results_in_a_folder_are_not_images_of_its_project(tmp_path, folder):
    with Project.open(folder) as before:
        names = [i.file_name for i in before.images]
    (folder / "project.json").unlink(missing_ok=True)
    for name in ("a1_labels.png", "a1_cp_masks.png"):
        shutil.copy(folder / "a1.png", folder / name)
    with Project.open(folder) as project:
        assert [i.file_name for i in project.images] == names
        assert project.new_files() == []
        assert project.add_images([folder / "a1_labels.png"]) == []  # who names one means it
        assert [i.file_name for i in project.images][-1] == "a1_labels.png"


def test_an_image_that_cannot_be_copied_keeps_no_other_one_out(tmp_path, folder, monkeypatch):
    from napari_centermask.io.project import images

    def copy_file(path, target):
        if path.name == "a1.png":
            raise CannotSave(f"Cannot write {target}: no room.")
        return real(path, target)

    real = images.copy_file
    monkeypatch.setattr(images, "copy_file", copy_file)
    with Project.create(tmp_path / "p") as project:
        reasons = project.add_images([folder / "a1.png", folder / "a2.png"], copy=True)
        assert [i.file_name for i in project.images] == ["images/a2.png"]
        assert "no room" in reasons[0]


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), KeyError("axes"), OSError(5, "Input/output error")])
def test_an_image_whose_header_raises_anything_does_not_keep_a_project_from_opening(folder, monkeypatch, error):
    from napari_centermask.io.project import images

    def read_header(path, **options):
        if path.name == "a1.png":
            raise error
        return real(path, **options)

    real = images.read_header
    monkeypatch.setattr(images, "read_header", read_header)
    with Project.open(folder) as project:
        problems = {i.path.name: i.problem for i in project.images}
        assert problems.pop("a1.png")
        assert not any(problems.values())
