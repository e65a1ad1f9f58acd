"""Tracks are linked, cut and divided, and every correction can be undone."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.core import tools
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.history import History
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.core.tracks import Lineage, Way, assigned, cut, divide, forget, link

DEPTH = Way(0, is_depth=True)


def series(*rows, leading=None):
    """Cells (frame or plane, id, track, parent)."""
    rows = [((at,) if isinstance(at, int) else at, *rest) for at, *rest in rows]
    result = Result((40, 40), leading=leading or (6,))
    for index, id, track, parent in rows:
        result.set(index, id, Instance(id, 3 * (id % 12), 5, np.ones((3, 3), bool), track=track, parent=parent))
    return result


def tracks(result):
    """(track, parent) by the id of the cell."""
    return {cell.id: (cell.track, cell.parent) for cell in result}


def done(result, changes):
    """The tracks after an edit; undo restores those of before, redo brings them again."""
    before, history = tracks(result), History(result)
    history.do("edit", changes)
    after = tracks(result)
    history.undo()
    assert tracks(result) == before
    history.redo()
    assert tracks(result) == after
    return after


def test_two_cells_without_tracks_become_one():
    result = series((0, 1, 0, 0), (1, 2, 0, 0))
    for a, b in ((((0,), 1), ((1,), 2)), (((1,), 2), ((0,), 1))):  # whichever is clicked first
        assert [(c.after.track, c.after.parent) for c in link(result, a, b)] == [(1, 0), (1, 0)]
    assert done(result, link(result, ((0,), 1), ((1,), 2))) == {1: (1, 0), 2: (1, 0)}
    assert link(result, ((0,), 1), ((1,), 2)) == []


def test_a_link_crosses_two_tracks_and_what_was_there_goes_its_own_way():
    result = series((0, 1, 1, 0), (1, 2, 1, 0), (2, 3, 1, 0), (0, 4, 2, 0), (1, 5, 2, 0), (2, 6, 2, 0), (3, 7, 3, 2))
    after = done(result, link(result, ((0,), 1), ((1,), 5)))
    assert [after[n] for n in (1, 5, 6)] == [(1, 0)] * 3
    assert after[4] == (2, 0)
    assert after[7] == (3, 1)  # the daughter goes with her mother
    assert after[2] == after[3]
    assert after[2][0] not in (0, 1, 2, 3)


def test_a_mother_that_is_linked_on_does_not_divide_any_more():
    result = series((0, 1, 1, 0), (1, 2, 2, 1), (1, 3, 3, 1), (2, 4, 2, 1), (2, 5, 3, 1))
    after = done(result, link(result, ((0,), 1), ((1,), 2)))
    assert after == {1: (1, 0), 2: (1, 0), 4: (1, 0), 3: (3, 0), 5: (3, 0)}


def test_a_missing_frame_of_a_mother_is_filled_and_she_divides_as_before():
    result = series((0, 1, 1, 0), (1, 6, 0, 0), (2, 2, 2, 1), (2, 3, 3, 1))
    assert done(result, link(result, ((0,), 1), ((1,), 6))) == {1: (1, 0), 6: (1, 0), 2: (2, 1), 3: (3, 1)}


def test_a_track_is_cut_before_a_cell_and_its_daughters_go_with_the_later_part():
    result = series((0, 1, 1, 0), (1, 2, 1, 0), (2, 3, 2, 1), (2, 4, 3, 1))
    after = done(result, cut(result, ((1,), 2)))
    assert after == {1: (1, 0), 2: (4, 0), 3: (2, 4), 4: (3, 4)}
    assert cut(result, ((0,), 1)) == []


def test_a_daughter_that_is_cut_off_leaves_her_sister_as_the_mother():
    result = series((0, 1, 1, 5), (1, 2, 2, 1), (2, 3, 2, 1), (1, 4, 3, 1), (3, 5, 4, 2))
    after = done(result, cut(result, ((1,), 4)))
    assert after == {1: (1, 5), 2: (1, 5), 3: (1, 5), 4: (3, 0), 5: (4, 1)}


def test_a_cell_divides_and_what_followed_is_the_other_daughter():
    result = series((0, 1, 1, 0), (1, 2, 1, 0), (2, 3, 1, 0), (1, 4, 0, 0))
    after = done(result, divide(result, ((0,), 1), ((1,), 4)))
    assert after[1] == (1, 0)
    assert after[2] == after[3] == (2, 1)
    assert after[4] == (3, 1)
    (track,) = Lineage(result).divisions()
    assert (track.id, track.children) == (1, [2, 3])


def test_a_mother_and_two_daughters_are_marked_one_after_the_other():
    result = series((0, 1, 0, 0), (1, 2, 0, 0), (1, 3, 0, 0))
    done(result, divide(result, ((0,), 1), ((1,), 2)))
    assert done(result, divide(result, ((0,), 1), ((1,), 3))) == {1: (1, 0), 2: (2, 1), 3: (3, 1)}


def test_a_mother_in_the_middle_of_a_track_keeps_the_grandmother():
    result = series((0, 1, 1, 0), (1, 2, 2, 1), (2, 3, 2, 1), (1, 4, 3, 1), (2, 5, 0, 0))
    after = done(result, divide(result, ((1,), 2), ((2,), 5)))
    assert (after[2], after[3], after[5]) == ((2, 1), (4, 2), (5, 2))


def test_cells_of_one_frame_are_never_one():
    result = series((1, 1, 1, 0), (1, 2, 2, 0))
    with pytest.raises(BadSettings, match="Two cells of one frame cannot be linked"):
        link(result, ((1,), 1), ((1,), 2))
    with pytest.raises(BadSettings, match="Two cells of one slice cannot be linked"):
        link(result, ((1,), 1), ((1,), 2), DEPTH)
    with pytest.raises(BadSettings, match="mother and daughter"):
        divide(result, ((1,), 1), ((1,), 2))
    with pytest.raises(BadSettings, match="this axis is depth"):
        divide(result, ((1,), 1), ((1,), 2), DEPTH)
    with pytest.raises(BadSettings, match="single image"):
        forget(Result((4, 4)))


def test_in_time_all_slices_of_a_cell_go_together_and_in_depth_only_those_of_one_moment():
    rows = [((t, z), 10 * t + z + 1, 1, 0) for t in (0, 1, 2) for z in (0, 1, 2)]
    result = series(*rows, leading=(3, 3))
    after = done(result, cut(result, ((1, 1), 12)))
    assert {n: t[0] for n, t in after.items()} == {n: 1 if n < 10 else 2 for n in after}
    result = series(*rows, leading=(3, 3))
    after = done(result, cut(result, ((1, 1), 12), Way(1, is_depth=True)))
    assert {n for n, t in after.items() if t[0] == 2} == {12, 13}


def test_all_or_some_cells_leave_their_tracks():
    result = series((0, 1, 1, 0), (1, 2, 2, 1), (1, 3, 3, 1))
    assert done(result, forget(result, [((0,), 1)])) == {1: (0, 0), 2: (2, 0), 3: (3, 0)}
    assert set(done(result, forget(result)).values()) == {(0, 0)}


def test_a_tracking_replaces_all_tracks():
    result = series((0, 1, 1, 0), (1, 2, 1, 0), (2, 3, 1, 0))
    assert done(result, assigned(result, {((0,), 1): (4, 0), ((2,), 3): (5, 4)})) == {1: (4, 0), 2: (0, 0), 3: (5, 4)}


def test_deleted_divided_and_merged_cells_leave_the_tracks_sound():
    result = series((0, 1, 1, 0), (1, 2, 1, 0), (2, 3, 1, 0), (1, 4, 2, 0))
    history = History(result)
    plane = result.plane((1,))
    history.do("merge", tools.to_changes(tools.merge(plane, [2, 4]), (1,), result))
    assert {t.id: [s.cell.id for s in t.spots] for t in Lineage(result)} == {1: [1, 2, 3]}
    history.do("delete", tools.to_changes(tools.delete(result.plane((1,)), [2]), (1,), result))
    assert {t.id: [s.cell.id for s in t.spots] for t in Lineage(result)} == {1: [1, 3]}  # a gap
    for _ in range(2):
        history.undo()
    assert {t.id: [s.cell.id for s in t.spots] for t in Lineage(result)} == {1: [1, 2, 3], 2: [4]}


def test_parents_that_cannot_be_are_no_parents():
    result = series((0, 1, 1, 2), (1, 2, 2, 9), (2, 3, 3, 3), (2, 4, 4, 2))
    lineage = Lineage(result)
    assert {t.id: t.parent for t in lineage} == {1: 0, 2: 0, 3: 0, 4: 2}
    assert lineage.root(lineage.tracks[4]) == 2
