"""YOLO's labels: corners as parts of the image, classes from 0 with names beside them."""

import pytest
from PIL import Image

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.formats.files import guess, guess_target, read_files
from napari_centermask.io.formats.yolo import read


@pytest.fixture
def data(tmp_path):
    """images/train/a.png of 20 x 40 pixels with two cells and a box in labels/train/a.txt."""
    for name in ("images", "labels"):
        (tmp_path / name / "train").mkdir(parents=True)
    Image.new("L", (40, 20)).save(tmp_path / "images" / "train" / "a.png")
    rows = ["0 0.1 0.1 0.2 0.1 0.2 0.4 0.1 0.4", "", "2 0.5 0.5 1.01 0.5 1.01 1 0.5 1", "0 0.5 0.5 0.1 0.1"]
    (tmp_path / "labels" / "train" / "a.txt").write_text("\n".join(rows))
    return tmp_path


def test_cells_lie_on_the_pixels_of_their_image(data):
    reading = read(data / "labels" / "train" / "a.txt")
    (result,) = reading.results
    assert (result.shape, result.name) == ((20, 40), "a.png")
    assert [(c.box, c.area) for c in result] == [((2, 4, 8, 8), 24), ((10, 20, 20, 40), 200)]
    assert [result.categories[c.category] for c in result] == ["class 0", "class 2"]
    assert reading.notes == ("1 line with a box only: it has no outline, and is left out.",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "cell\nbud\ndead\n"),
        ("data.yaml", "names: [cell, bud, dead]"),
        ("data.yaml", "names:\n  0: cell\n  2: dead\n"),
    ],
)
def test_classes_have_the_names_that_a_file_above_gives(data, name, text):
    (data / name).write_text(text)
    (result,) = read(data / "labels" / "train" / "a.txt").results
    assert [result.categories[c.category] for c in result] == ["cell", "dead"]


def test_a_folder_of_labels_is_read_and_other_text_files_are_not_labels(data):
    (data / "labels" / "train" / "classes.txt").write_text("cell\nbud\ndead\n")
    (data / "labels" / "train" / "README.txt").write_text("From the microscope downstairs.")
    format, reading = read_files(data / "labels" / "train")
    assert (format.name, len(reading.results)) == ("yolo", 1)
    assert guess(data / "labels" / "train" / "README.txt") is None
    assert guess_target(data / "new.txt") is None


def test_a_damaged_file_of_an_image_is_named_and_not_passed_over_as_other_text(data):
    Image.new("L", (40, 20)).save(data / "images" / "train" / "b.png")
    (data / "labels" / "train" / "b.txt").write_text("0 0.1 0.1 0.2 0.1 0.2 0.4 0.93")
    _, reading = read_files(data / "labels" / "train")
    assert [result.name for result in reading.results] == ["a.png"]
    assert "Line 1 of b.txt" in reading.failed["b.txt"]


def test_a_missing_image_and_a_damaged_line_are_named(data):
    path = data / "labels" / "train" / "a.txt"
    path.write_text("0 0.1 0.1 0.2 0.1 0.2")
    with pytest.raises(BadAnnotations, match=r"Line 1 of a\.txt"):
        read(path)
    path.write_text("0 0.1 0.1 0.2 0.1 0.2 nan")
    with pytest.raises(BadAnnotations, match=r"Line 1 of a\.txt"):
        read(path)
    path.write_text("0 0.1 0.1 0.2 0.1 0.2 0.3")
    (data / "images" / "train" / "a.png").unlink()
    with pytest.raises(BadAnnotations, match="image was not found"):
        read(path)


def test_an_empty_file_among_labels_is_an_image_without_cells(data):
    Image.new("L", (40, 20)).save(data / "images" / "train" / "b.png")
    (data / "labels" / "train" / "b.txt").write_text("\n")
    _, reading = read_files(data / "labels" / "train")
    assert [(result.name, len(result)) for result in reading.results] == [("a.png", 2), ("b.png", 0)]
    (data / "notes.txt").write_text("")
    assert guess(data / "notes.txt") is None


def test_a_class_with_a_huge_number_takes_no_time(data):
    (data / "data.yaml").write_text("names: {0: cell, 4000000000: far}")
    (result,) = read(data / "labels" / "train" / "a.txt").results
    assert [result.categories[c.category] for c in result] == ["cell", "class 2"]
