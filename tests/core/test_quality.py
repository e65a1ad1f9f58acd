from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.columns import Columns
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.quality import KINDS, check, touches_itself, usual_tiny_area
from napari_centermask.core.result import Result


def square(id, y0, x0, size=10, **fields):
    fields.setdefault("status", "accepted")
    return Instance(id, y0, x0, np.ones((size, size), bool), **fields)


def result_of(*cells, shape=(64, 64), **fields):
    result = Result(shape, **fields)
    result.put((), Instances(shape, cells), keep_ids=True)
    return result


def found_in(result, **arguments):
    return [(f.kind, f.ids) for f in check(Columns(result), **arguments)]


def test_good_cells_give_no_finding(cells):
    result = Result((256, 256))
    result.put((), Instances((256, 256), (replace(c, status="accepted") for c in cells(n=12, overlap=0, seed=2))))
    assert check(Columns(result)) == []


def test_tiny_cells_are_those_below_a_part_of_the_median():
    result = result_of(square(1, 0, 0, 20), square(2, 0, 25, 20), square(3, 30, 0, 20), square(4, 40, 40, 4))
    assert usual_tiny_area(Columns(result)) == 20
    (finding,) = check(Columns(result))
    assert (finding.kind, finding.ids, finding.text) == ("tiny", (4,), "Cell 4: 16 pixels, fewer than 20")
    assert finding.at == (41.5, 41.5)
    assert found_in(result, tiny_area=10) == []
    assert found_in(result, tiny_area=401) == [("tiny", (1,)), ("tiny", (2,)), ("tiny", (3,)), ("tiny", (4,))]


@pytest.mark.parametrize(("shift", "iou"), [(1, 9 / 11), (2, 8 / 12), (3, 7 / 13)])
def test_duplicates_are_found_from_the_iou_on(shift, iou):
    result = result_of(square(3, 10, 10), square(8, 10, 10 + shift), square(5, 40, 40))
    assert found_in(result, duplicate_iou=iou - 0.01) == [("duplicate", (3, 8))]
    assert found_in(result, duplicate_iou=iou + 0.01) == []


def test_duplicates_equal_brute_force(cells):
    many = list(cells(n=40, seed=5))
    many += [replace(c, id=c.id + 100, y0=c.y0 + 1, status="accepted") for c in many[::3] if c.box[2] < 256]
    result = Result((256, 256))
    result.put((), Instances((256, 256), many), keep_ids=True)
    pairs = set()
    whole = {}
    for cell in many:
        whole[cell.id] = np.zeros((256, 256), bool)
        whole[cell.id][cell.y0 : cell.box[2], cell.x0 : cell.box[3]] = cell.mask
    for a in many:
        for b in many:
            both, either = whole[a.id] & whole[b.id], whole[a.id] | whole[b.id]
            if a.id < b.id and both.sum() >= 0.7 * either.sum():
                pairs.add((a.id, b.id))
    assert len(pairs) >= 10
    assert {f.ids for f in check(Columns(result)) if f.kind == "duplicate"} == pairs


def test_the_same_place_on_another_plane_is_not_a_duplicate():
    result = Result((64, 64), leading=(2,))
    for plane in range(2):
        result.put((plane,), Instances((64, 64), [square(0, 10, 10)]))
    assert check(Columns(result)) == []


def test_rejected_cells_and_those_below_the_threshold_are_not_examined():
    result = result_of(
        square(1, 10, 10),
        square(2, 10, 10, status="rejected"),
        square(3, 10, 10, status="predicted", score=0.2),
        threshold=0.3,
    )
    assert found_in(result) == []


def test_unreviewed_cells_are_named_unless_a_region_says_that_they_are_right():
    result = result_of(square(1, 10, 10, status="predicted"), square(2, 40, 40, status="predicted"))
    assert found_in(result) == [("unreviewed", (1,)), ("unreviewed", (2,))]
    result.set_reviewed((), [(0, 0, 30, 30), (45, 45, 64, 64)])
    assert found_in(result) == [("unreviewed", (2,))]


def test_a_plane_without_cells_is_named_until_it_is_reviewed():
    result = Result((64, 64))
    (finding,) = check(Columns(result))
    assert (finding.kind, finding.ids, finding.at) == ("empty", (), (31.5, 31.5))
    result.set_reviewed((), [(0, 0, 64, 64)])
    assert check(Columns(result)) == []


def test_cells_that_came_past_the_door_empty_or_outside_are_named():
    result = result_of(square(1, 10, 10))
    plane = result.plane(())
    plane._by_id[2] = Instance(2, 5, 5, np.zeros((3, 3), bool), status="accepted")
    plane._by_id[3] = square(3, 60, 60)
    assert ("empty", (2,)) in found_in(result)
    assert ("outside", (3,)) in found_in(result)


@pytest.mark.parametrize(
    ("rows", "corners"),
    [
        (["11", "11"], []),
        (["10", "01"], [(1, 1)]),
        (["01", "10"], [(1, 1)]),
        (["110", "101", "011"], [(1, 2), (2, 1)]),
        (["111", "101", "111"], []),
        (["1110", "1010", "1110", "0001"], [(3, 3)]),
        (["1"], []),
    ],
    ids=["square", "falling", "rising", "hole at both", "ring", "debris", "pixel"],
)
def test_touching_corners_of_hand_drawn_masks(rows, corners):
    mask = np.array([[c == "1" for c in row] for row in rows])
    assert [tuple(c) for c in touches_itself(mask)] == corners


def test_touching_outline_is_shown_where_it_touches():
    cell = Instance.from_mask(np.kron(np.eye(2), np.ones((5, 5))).astype(bool), (20, 30), id=1, status="accepted")
    (finding,) = check(Columns(result_of(cell)))
    assert (finding.kind, finding.at) == ("touching", (24.5, 34.5))
    assert finding.text.endswith("touches itself at 1 corner")


def test_findings_come_grouped_by_kind():
    result = result_of(
        square(9, 0, 0),
        square(1, 0, 1, status="predicted"),
        square(2, 50, 50, 1),
        square(3, 30, 30, status="predicted"),
    )
    kinds = [f.kind for f in check(Columns(result))]
    assert kinds == sorted(kinds, key=list(KINDS).index)
    assert kinds == ["tiny", "duplicate", "unreviewed", "unreviewed"]
