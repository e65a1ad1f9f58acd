"""Painted, merged and copied cells, and what happens to their neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn import full, plane, square

from napari_centermask.core import tools
from napari_centermask.core.instances import Instances, intersection


def test_painting_keeps_score_and_source_and_marks_the_cell_corrected():
    cells = plane(square(2, 2, 6, 6))
    ((before, after),) = tools.commit(cells, 1, square(2, 2, 6, 9))
    assert before is cells[1]
    assert (after.id, after.status, after.score, after.source) == (1, "corrected", 0.7, "model")
    np.testing.assert_array_equal(full(after), square(2, 2, 6, 9))
    assert tools.commit(cells, 1, square(2, 2, 6, 6)) == []
    assert tools.commit(cells, 1, np.zeros((20, 20), bool)) == [(cells[1], None)]


def test_take_over_removes_what_the_stroke_added_and_no_older_overlap():
    cells = plane(square(2, 2, 8, 8), square(2, 7, 8, 14))
    pairs = tools.commit(cells, 1, square(2, 2, 8, 10), mode="take over")
    mine, other = (after for _, after in pairs)
    np.testing.assert_array_equal(full(mine), square(2, 2, 8, 10))
    np.testing.assert_array_equal(full(other), square(2, 7, 8, 8) | square(2, 10, 8, 14))
    swallowed = tools.commit(cells, 1, square(0, 0, 20, 20) & ~square(2, 7, 8, 8), mode="take over")
    assert [(b.id, a and full(a).sum()) for b, a in swallowed] == [(1, 400 - 6), (2, 6)]
    new = tools.new_cell(cells, square(0, 0, 20, 20), mode="take over")
    assert [(b and b.id, a and a.id) for b, a in new] == [(None, 0), (1, None), (2, None)]


def test_keep_out_stops_at_others_and_overlap_leaves_them():
    cells = plane(square(2, 2, 8, 8), square(2, 7, 8, 14))
    ((_, after),) = tools.commit(cells, 1, square(2, 2, 12, 10), mode="keep out")
    np.testing.assert_array_equal(full(after), square(2, 2, 8, 8) | square(8, 2, 12, 10))
    ((_, after),) = tools.commit(cells, 1, square(2, 2, 12, 10), mode="overlap")
    np.testing.assert_array_equal(full(after), square(2, 2, 12, 10))
    assert tools.commit(cells, 1, square(2, 2, 8, 10), mode="keep out") == []
    assert tools.new_cell(cells, square(3, 3, 5, 5), mode="keep out") == []


def test_hidden_cells_are_not_neighbours():
    cells = plane(square(2, 2, 8, 8), square(2, 8, 8, 14), square(2, 8, 8, 14))
    cells.set(2, replace(cells[2], status="rejected"))
    changed = tools.commit(cells, 1, square(2, 2, 8, 10), mode="take over")
    assert [b.id for b, _ in changed] == [1, 3]
    assert [b.id for b, _ in tools.commit(cells, 1, square(2, 2, 8, 10), mode="take over", shows=lambda i: False)] == [
        1
    ]
    with pytest.raises(ValueError, match="keep out"):
        tools.commit(cells, 1, square(2, 2, 8, 10), mode="merge")


def test_new_cells_lie_on_top_of_what_they_meet():
    cells = plane(square(2, 2, 8, 8), square(12, 12, 18, 18))
    ((none, new),) = tools.new_cell(cells, square(1, 1, 4, 4), category=3)
    assert none is None
    assert (new.id, new.category, new.status, new.source, new.score, new.order) == (0, 3, "accepted", "manual", 1, 1.0)
    ((_, model),) = tools.new_cell(cells, square(1, 1, 4, 4), source="nuclei", score=0.4, status="predicted")
    assert (model.source, model.score, model.status) == ("nuclei", 0.4, "predicted")
    assert tools.new_cell(cells, square(0, 0, 0, 0)) == []


def test_merging_keeps_the_largest_and_the_highest_level():
    cells = plane(square(2, 2, 5, 5), square(2, 4, 8, 10), square(15, 15, 16, 16))
    pairs = tools.merge(cells, [1, 3, 2])
    whole = pairs[0][1]
    assert (pairs[0][0].id, whole.id, whole.order, whole.status) == (2, 2, 2.0, "corrected")
    np.testing.assert_array_equal(full(whole), full(cells[1]) | full(cells[2]) | full(cells[3]))
    assert {b.id for b, a in pairs if a is None} == {1, 3}
    assert tools.merge(cells, [1]) == tools.merge(cells, [1, 1]) == tools.merge(cells, []) == []


@pytest.mark.parametrize("win", [True, False])
def test_exclusive_cells_share_no_pixel_and_none_is_lost(win):
    cells = plane(square(2, 2, 10, 10), square(5, 5, 14, 14), square(8, 2, 12, 16), square(0, 0, 1, 1))
    union = sum(full(i) for i in cells) > 0
    pairs = tools.make_exclusive(cells, [1, 2], win=win)
    now = Instances(cells.shape, cells)
    for before, after in pairs:
        assert cells[before.id] is before
        now.set(before.id, after)
    pairs_of_ids = [(1, 2), (1, 3), (2, 3)]
    assert all(intersection(now[a], now[b]) == 0 for a, b in pairs_of_ids)
    np.testing.assert_array_equal(sum(full(i) for i in now), union)
    assert now[2].area > 0
    np.testing.assert_array_equal(full(now[2]), full(cells[2]) if win else full(cells[2]) & ~full(cells[3]))
    assert tools.make_exclusive(cells, [4]) == []


def test_exclusive_cells_delete_what_they_cover():
    cells = plane(square(2, 2, 10, 10), square(3, 3, 5, 5))
    assert tools.make_exclusive(cells, [1]) == [(cells[2], None)]
    assert tools.make_exclusive(cells, [2], win=False) == [(cells[2], None)]


def test_copies_get_new_ids_and_are_cut():
    source = plane(square(2, 2, 10, 10), square(15, 15, 20, 20), category=2)
    target = Instances((12, 12), categories={1: "a", 2: "b"})
    ((none, copy),) = tools.copy_to(target, source)
    assert none is None
    assert (copy.id, copy.category, copy.score, copy.status) == (0, 2, 0.7, "corrected")
    assert copy.mask is not source[1].mask


def test_a_merged_cell_goes_on_as_the_track_of_the_largest_part_that_has_one():
    cells = plane(square(2, 2, 9, 9), square(2, 9, 6, 12))
    for id, track, parent in ((1, 0, 0), (2, 5, 3)):
        cells.set(id, replace(cells[id], track=track, parent=parent))
    ((_, after), (_, gone)) = tools.merge(cells, [1, 2])
    assert (after.id, after.track, after.parent, gone) == (1, 5, 3, None)
    cells.set(1, replace(cells[1], track=4))
    assert tools.merge(cells, [1, 2])[0][1].track == 4


def test_a_copy_in_the_next_frame_is_the_same_cell_unless_one_there_is_it_already():
    there = plane(square(10, 10, 14, 14))
    there.set(1, replace(there[1], track=6))
    copied = [replace(there[1], track=track, parent=1) for track in (5, 6, 5, 0)]
    assert [after.track for _, after in tools.copy_to(there, copied)] == [5, 0, 0, 0]
