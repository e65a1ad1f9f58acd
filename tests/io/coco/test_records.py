import json
from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.records import by_image, records_of, result_of


@pytest.fixture
def stack(cells):
    """A result of 2 x 3 planes: some with cells of every status, one reviewed and empty, some not segmented."""
    result = Result((64, 80), leading=(2, 3), threshold=0.37, name="plate/a.tif")
    for number, index in enumerate([(0, 0), (1, 2)]):
        made = result.put(index, cells(n=8, overlap=0.6, seed=number, shape=(64, 80), radius=7))
        for cell, status in zip(made, ("accepted", "corrected", "rejected"), strict=False):
            made.set(cell.id, replace(cell, status=status, source="models/ü", order=0.1 + 0.2, score=1 / 3, category=2))
    result.categories = {1: "cell", 2: "débris"}
    result.set_reviewed((0, 1), [(0, 0, 64, 80), (3, 4, 5, 6)])
    result.seams[(1, 2)] = ((31.5,), (20.0, 40.0))
    result.new_id()
    return result


def assert_same(a: Result, b: Result) -> None:
    assert (a.shape, a.leading, a.threshold, a.last_id) == (b.shape, b.leading, b.threshold, b.last_id)
    assert {i: p for i, p in a.planes.items() if len(p)}.keys() == {i: p for i, p in b.planes.items() if len(p)}.keys()
    assert all(a.plane(i).equals(b.plane(i)) for i in a.planes)
    assert (a.categories, a.reviewed_planes, a.seams) == (b.categories, b.reviewed_planes, b.seams)


def test_a_stack_reads_back_equal_to_the_bit(tmp_path, stack):
    path = tmp_path / "c.json"
    write_coco(path, records_of(stack, "plate/a.tif", extra={"pixel_size_um": 0.108, KEY: {"later": 1}}))
    (records,) = by_image(read_coco(path)).values()
    assert_same(result_of(records), stack)
    assert records[0].pixel_size_um == 0.108
    assert records[0].extra[KEY] == {"later": 1}
    first = path.read_bytes()
    write_coco(path, records)
    assert path.read_bytes() == first


def test_planes_are_image_records_of_one_name_with_ids_from_1(tmp_path, stack):
    write_coco(tmp_path / "c.json", records_of(stack, "a.tif", first_id=4))
    data = json.loads((tmp_path / "c.json").read_text())
    assert [(i["id"], i["file_name"], i[KEY]["plane"]) for i in data["images"]] == [
        (4, "a.tif", [0, 0]),
        (5, "a.tif", [0, 1]),
        (6, "a.tif", [1, 2]),
    ]
    assert data["images"][1][KEY]["reviewed_regions"] == [[0, 0, 64, 80], [3, 4, 5, 6]]
    assert [a["id"] for a in data["annotations"]] == list(range(1, len(stack) + 1))
    own = data["annotations"][0][KEY]
    assert {"id", "score", "mask_quality", "status", "source", "order"} == set(own)
    assert (own["score"], own["order"], own["status"]) == (1 / 3, 0.1 + 0.2, "accepted")


def test_probabilities_of_categories_are_kept_and_others_refused(tmp_path):
    cell = Instance.from_mask(np.ones((3, 4), bool), (2, 2), probabilities=(0.1, 0.2, 0.7))
    path = tmp_path / "c.json"
    write_coco(path, [ImageRecord(1, "a.tif", None, (20, 20), Instances((20, 20), [cell]))])
    assert next(iter(read_coco(path)[0].instances)).probabilities == (0.1, 0.2, 0.7)
    path.write_text(path.read_text().replace("0.7", "0.9"))
    with pytest.raises(BadAnnotations, match="sum to 1"):
        read_coco(path)


def test_only_shown_cells_leave_for_other_programs(stack):
    shown = records_of(stack, "a.tif", shown=True)
    assert {c.status for r in shown for c in r.instances} == {"predicted", "accepted", "corrected"}


def test_an_image_without_cells_has_its_record():
    (record,) = records_of(Result((5, 6), leading=(3,)), "a.tif")
    assert (record.plane, record.leading, len(record.instances)) == ((0,), (3,), 0)


def test_planes_that_share_ids_get_new_ones(cells):
    records = [
        ImageRecord(n, "a.tif", None, (64, 64), cells(n=3, shape=(64, 64), radius=6), plane=(n,), leading=(2,))
        for n in (0, 1)
    ]
    result = result_of(records)
    assert [c.id for c in result] == [1, 2, 3, 4, 5, 6]
    assert result.new_id() == 7


@pytest.mark.parametrize("change", [{"plane": (0,)}, {"shape": (9, 9)}, {"leading": (2, 2), "plane": (0, 1)}])
def test_records_that_are_not_planes_of_one_image_are_refused(stack, cells, change):
    record = ImageRecord(1, "a.tif", None, (64, 64), cells(n=1, shape=(64, 64)), plane=(0,), leading=(2,))
    with pytest.raises(BadAnnotations, match="different planes of one image"):
        result_of([record, replace(record, **change)])
