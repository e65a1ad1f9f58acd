"""Values that a format has no place for come back, and doubtful ones are passed over."""

import json

import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.io.formats import fields


def test_a_cells_values_come_back_out_of_json(result):
    cell = next(iter(result()))
    again = fields.read_cell_fields(json.loads(json.dumps(fields.cell_fields(cell))), source="file")
    assert Instance(cell.id, cell.y0, cell.x0, cell.mask, **{k: v for k, v in again.items() if k != "id"}).equals(cell)


@pytest.mark.parametrize(
    ("values", "name"),
    [({"image": "a.png"}, "a.png"), ({"image": "x\\y/b.png"}, "b.png"), ({"image": ".."}, "c"), ({"image": 3}, "c")],
)
def test_a_name_is_never_a_path(values, name):
    assert fields.read_name(values, "c") == name


def test_categories_sizes_and_regions_that_cannot_be_are_passed_over():
    assert fields.read_categories({"categories": {"1": "a", "0": "b", "x": "c", "2": 4}}) == {1: "a"}
    assert fields.read_sizes({"shape": [4, 5]}, "shape", 2) == (4, 5)
    assert fields.read_sizes({"shape": [4, 0]}, "shape", 2) is None
    made = Result((10, 10), leading=(2,))
    regions = [{"plane": [1], "boxes": [[0, 0, 4, 4], [0, 0, "x", 1]]}, {"plane": [9], "boxes": [[0, 0, 1, 1]]}, 7]
    fields.take_image_fields(made, {"threshold": 0.25, "last_id": 40, "reviewed_regions": regions})
    assert (made.threshold, made.new_id()) == (0.25, 41)
    assert {k: [tuple(b) for b in v] for k, v in made.reviewed_planes.items() if v} == {(1,): [(0, 0, 4, 4)]}
