"""A COCO file says where its images are, and only images that are there are taken."""

from pathlib import Path

import pytest

from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.coco.image_place import place_of, with_place
from napari_centermask.io.coco.image_record import ImageRecord


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "data" / "a.png"
    path.parent.mkdir()
    path.touch()
    return path


def test_the_place_is_relative_and_moves_with_both(image, tmp_path, cells):
    file = tmp_path / "results" / "cells.json"
    file.parent.mkdir()
    extra = with_place({"group": "x"}, image, file, "a.png")
    assert extra == {"group": "x", KEY: {"image": "../data/a.png"}}
    truth = cells(n=3, shape=(64, 64), radius=6)
    write_coco(file, [ImageRecord(1, "a.png", image, truth.shape, truth, extra)])
    (tmp_path / "moved").mkdir()
    for folder in ("data", "results"):
        (tmp_path / folder).rename(tmp_path / "moved" / folder)
    moved = tmp_path / "moved" / "results" / "cells.json"
    (record,) = read_coco(moved)
    assert place_of(record.extra, moved) == tmp_path / "moved" / "data" / "a.png"


def test_an_image_beside_the_file_needs_no_place(image):
    assert with_place({}, image, image.with_name("cells.json"), "a.png") == {}
    assert with_place({}, image, image.with_name("cells.json"), "data/a.png") == {}
    assert with_place({}, None, image, "a.png") == {}


def test_an_image_beside_the_file_has_a_place_if_its_record_has_another_name(image):
    """As a project names the second of two images a.png that are linked."""
    file = image.with_name("cells.json")
    extra = with_place({}, image, file, "data_a.png")
    assert place_of(extra, file) == image


def test_an_absolute_place_is_found(image, tmp_path):
    assert place_of({KEY: {"image": image.as_posix()}}, tmp_path / "cells.json") == image


@pytest.mark.parametrize(
    "place", ["", 7, None, "gone.png", "//server/a.png", "\\\\server\\a.png", "data/a.txt", "a\0.png"]
)
def test_what_is_no_image_that_is_there_is_not_taken(image, tmp_path, place):
    image.with_suffix(".txt").touch()
    assert place_of({KEY: {"image": place}}, tmp_path / "cells.json") is None
    assert place_of({KEY: [place]}, Path("cells.json")) is None
