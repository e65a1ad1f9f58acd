"""Every reader refuses what no image can be, in one message, and finds the image of its cells."""

import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.formats import reading


@pytest.mark.parametrize(("shape", "leading"), [((0, 5), ()), ((1 << 16, 1 << 15), ()), ((5, 5), (400, 300))])
def test_sizes_that_no_image_has_are_refused(tmp_path, shape, leading):
    with pytest.raises(BadAnnotations, match="but a.zip claims"):
        reading.check_size(tmp_path / "a.zip", shape, leading)
    reading.check_size(tmp_path / "a.zip", (1 << 15, 1 << 15), (2,))


def test_all_masks_together_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST_CELLS", 10)
    allowance = reading.Allowance(tmp_path / "a.zip")
    allowance.take(10)
    with pytest.raises(BadAnnotations, match="Split it"):
        allowance.take(1)


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (
            ValueError("it is cut short.\nmore"),
            BadAnnotations,
            r"a.zip cannot be read as ROIs: it is cut short\. Export",
        ),
        (ZeroDivisionError("a bug"), ZeroDivisionError, "a bug"),
    ],
)
def test_known_errors_of_a_parser_become_one_message_and_bugs_do_not(tmp_path, raised, expected, message):
    with pytest.raises(expected, match=message), reading.refusing(tmp_path / "a.zip", "ROIs", KeyError, ValueError):
        raise raised


def test_an_image_of_any_suffix_is_found_beside_the_cells_or_in_images(tmp_path):
    cells = tmp_path / "a.json"
    assert reading.find_image(cells, None, "a.png") is None
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.tif").touch()
    assert reading.find_image(cells, None, "a.png") == tmp_path / "images" / "a.tif"
    (tmp_path / "a.png").touch()
    assert reading.find_image(cells, None, "a.png") == tmp_path / "a.png"
    assert reading.find_image(cells, tmp_path / "images", "a.png") == tmp_path / "images" / "a.tif"


def test_an_image_whose_ending_is_in_capitals_is_found_and_not_the_cells_themselves(tmp_path):
    cells = tmp_path / "masks" / "Zölle 1.TIF"
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Zölle 1.TIF").touch()
    image = tmp_path / "images" / "Zölle 1.TIF"
    assert reading.find_image(cells, tmp_path / "images", "Zölle 1") == image
    assert reading.find_image(cells, None, "Zölle 1") == image
    assert reading.find_image(tmp_path / "images" / "a.json", None, "Zölle 1.png") == image
    assert reading.find_image(tmp_path / "images" / "a.json", None, "zölle 1.png") is None
