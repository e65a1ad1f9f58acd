"""Training data of other tools come into a project by one import: a file of it, and those beside it."""

import json

import numpy as np
import pytest
import tifffile

import other_tools
from napari_centermask.io.project import Project
from napari_centermask.io.project_import import import_into

SHAPE = (40, 60)
SQUARES = [(4, 6), (20, 30)]
SIDE = 10


def corners(y, x):
    return [(x, y), (x + SIDE, y), (x + SIDE, y + SIDE), (x, y + SIDE)]


def write_labels(folder, name, suffix=""):
    labels = np.zeros(SHAPE, np.uint16)
    for n, (y, x) in enumerate(SQUARES, start=1):
        labels[y : y + SIDE, x : x + SIDE] = n
    folder.mkdir(exist_ok=True)
    tifffile.imwrite(folder / f"{name}{suffix}.tif", labels)
    return folder / f"{name}{suffix}.tif"


def stardist(folder, name):
    return write_labels(folder / "masks", name)


def cellpose(folder, name):
    return write_labels(folder / "images", name, "_masks")


def labelme(folder, name):
    shapes = [{"label": "cell", "points": corners(*at), "shape_type": "polygon", "group_id": None} for at in SQUARES]
    size = {"imageHeight": SHAPE[0], "imageWidth": SHAPE[1]}
    path = folder / "images" / f"{name}.json"
    path.write_text(json.dumps({"shapes": shapes, "imagePath": f"{name}.tif", "imageData": None, **size}))
    return path


def yolo(folder, name):
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels" / "classes.txt").write_text("cell\n")
    lines = (" ".join(f"{x / SHAPE[1]} {y / SHAPE[0]}" for x, y in corners(*at)) for at in SQUARES)
    path = folder / "labels" / f"{name}.txt"
    path.write_text("".join(f"0 {line}\n" for line in lines))
    return path


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "data" / "images").mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(tmp_path / "data" / "images" / f"{name}.tif", np.zeros(SHAPE, np.uint8))
    return tmp_path / "data"


@pytest.mark.parametrize("write", [stardist, cellpose, labelme, yolo])
def test_one_file_brings_all_of_its_folder_with_their_images(folder, tmp_path, write):
    path = [write(folder, name) for name in ("a", "b")][0]
    (tmp_path / "project").mkdir()
    with Project.create(tmp_path / "project") as project:
        report = import_into(project, path, whole_folder=True)
        assert (report.images, report.cells, report.n_refused) == (2, 4, 0)
        assert [image.path for image in project.images] == [folder / "images" / "a.tif", folder / "images" / "b.tif"]
        for image in project.images:
            cells = list(project.result(image.id))
            assert [(c.box, c.area, c.status) for c in cells] == [
                ((y, x, y + SIDE, x + SIDE), SIDE * SIDE, "accepted") for y, x in SQUARES
            ]


def test_images_of_the_project_are_not_added_again(folder):
    path = stardist(folder, "a")
    with Project.create(folder) as project:
        report = import_into(project, path)
        assert (report.images, [len(project.result(i.id)) for i in project.images]) == (1, [2, 0])


def test_cells_without_an_image_are_left_out_aloud(folder, tmp_path):
    path = stardist(folder, "a")
    (folder / "images" / "a.tif").unlink()
    (tmp_path / "project").mkdir()
    with Project.create(tmp_path / "project") as project:
        assert "its image is not in the project" in import_into(project, path).refused


def test_the_file_that_was_chosen_is_read_also_where_only_others_are_named_as_cells(folder):
    cellpose(folder, "b")
    chosen = write_labels(folder / "images", "c")
    tifffile.imwrite(folder / "c.tif", np.zeros(SHAPE, np.uint8))
    with Project.create(folder) as project:
        assert import_into(project, chosen, whole_folder=True).file == "c.tif"


@pytest.mark.parametrize("given", ["", "01_GT/TRA/man_track.txt"])
def test_a_sequence_of_the_challenge_brings_its_frames_with_their_outlines(tmp_path, given):
    folder = other_tools.challenge(tmp_path / "theirs")
    (tmp_path / "project").mkdir()
    with Project.create(tmp_path / "project") as project:
        report = import_into(project, folder / given, whole_folder=True)
        assert (report.images, report.cells, report.n_refused) == (3, 18, 0)
        assert [image.path for image in project.images] == [folder / "01" / f"t00{at}.tif" for at in (0, 2, 4)]


def test_tracks_without_frames_are_one_series_of_an_image_of_the_project(tmp_path):
    """As `track --ctc 01_RES` writes the cells of 01.tif."""
    folder = tmp_path / "project"
    stack = np.stack([other_tools.image(n) for n in range(6)])
    other_tools.write(folder / "01.tif", stack)
    for at in range(6):
        other_tools.write(tmp_path / "01_RES" / f"mask{at:03}.tif", other_tools.labels())
    (tmp_path / "01_RES" / "res_track.txt").write_text("".join(f"{n} 0 5 0\n" for n in range(1, 7)))
    with Project.create(folder) as project:
        report = import_into(project, tmp_path / "01_RES" / "res_track.txt", whole_folder=True)
        assert (report.images, report.cells, report.n_refused) == (1, 36, 0)
        assert {cell.track for cell in project.result(project.images[0].id)} == {1, 2, 3, 4, 5, 6}


def test_a_folder_with_splits_comes_whole(tmp_path):
    (tmp_path / "project").mkdir()
    with Project.create(tmp_path / "project") as project:
        report = import_into(project, other_tools.stardist(tmp_path / "theirs"))
        assert (report.images, report.cells) == (8, 48)
