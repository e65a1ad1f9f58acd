"""LabelMe's files: what was drawn becomes cells, on the pixels whose centres it covers."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.formats.files import guess, read_files
from napari_centermask.io.formats.labelme import read


def shape(label, points, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, **more}


def png(mask):
    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


@pytest.fixture
def file(tmp_path):
    """Write shapes on an image of 40 x 60."""

    def write(*shapes, name="a.json"):
        data = {"version": "5.5.0", "shapes": list(shapes), "imagePath": "..\\x\\a.png", "imageData": None}
        (tmp_path / name).write_text(json.dumps(data | {"imageHeight": 40, "imageWidth": 60}))
        return tmp_path / name

    return write


def test_every_kind_of_shape_with_an_area_is_a_cell(file):
    mask = np.zeros((4, 5), bool)
    mask[1:, :3] = True
    path = file(
        shape("nucleus", [[2, 1], [6, 1], [6, 4], [2, 4]]),
        shape("cell", [[10, 10], [20, 15]], "rectangle"),
        shape("cell", [[40, 20], [45, 20]], "circle"),
        shape("cell", [[50, 30], [54, 33]], "mask", mask=png(mask)),
        shape("cell", [[5, 5]], "point"),
    )
    (result,) = read(path).results
    assert (result.shape, result.name) == ((40, 60), "a.png")
    assert [(result.categories[c.category], c.status) for c in result] == [
        ("nucleus", "accepted"),
        *[("cell", "accepted")] * 3,
    ]
    a, b, c, d = result
    assert (a.box, a.area) == ((1, 2, 4, 6), 12)
    assert (b.box, b.area) == ((10, 10, 15, 20), 50)
    assert c.area == pytest.approx(np.pi * 25, rel=0.06)
    assert (d.y0, d.x0) == (31, 50)
    np.testing.assert_array_equal(d.mask, np.ones((3, 3), bool))
    assert read(path).notes == ("Skipped 1 shape without an area.",)


def test_shapes_of_a_group_are_one_cell(file):
    parts = [shape("cell", [[x, 0], [x + 3, 0], [x + 3, 3], [x, 3]], group_id=7) for x in (0, 10)]
    (result,) = read(file(*parts, shape("cell", [[20, 0], [23, 0], [23, 3]]))).results
    assert [c.area for c in result][0] == 18
    assert len(result) == 2


def test_a_json_file_with_shapes_is_recognised_and_its_image_found(file, tmp_path):
    path = file(shape("cell", [[0, 0], [3, 0], [3, 3]]))
    Image.new("L", (60, 40)).save(tmp_path / "a.png")
    assert guess(path).name == "labelme"
    _, reading = read_files(path)
    assert reading.files == (path, tmp_path / "a.png")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"shapes": 3}',
        '{"shapes": [{"points": [[0, "x"], [1, 1], [2, 2]]}]}',
        '{"shapes": [{"shape_type": "mask", "points": [[0, 0]], "mask": "!"}]}',
    ],
)
def test_a_damaged_file_is_an_error(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadAnnotations, match=r"a\.json"):
        read(tmp_path / "a.json")
