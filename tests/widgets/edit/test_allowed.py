"""Which buttons of the Correct and Review docks can work, from their state alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from napari_centermask.widgets.edit.allowed import (
    NOT_FLAT,
    CorrectState,
    PartState,
    ReviewState,
    part_controls,
    review_refusals,
    why_not,
)


@dataclass(frozen=True)
class Thing:
    name: str = "thing"
    needs: int = 0
    in_view: bool = True
    changes: bool = True


@pytest.mark.parametrize(
    ("thing", "state", "reason"),
    [
        (Thing(), CorrectState(), ""),
        (Thing(), CorrectState(has_image=False), "no image"),
        (Thing(), CorrectState(is_flat=False), "2D view"),
        (Thing(in_view=False), CorrectState(is_flat=False), ""),
        (Thing(needs=1), CorrectState(), "Select a cell"),
        (Thing(needs=2), CorrectState(n_selected=1), "Shift-click"),
        (Thing(needs=2), CorrectState(n_selected=2), ""),
        (Thing("undo", in_view=False), CorrectState(is_flat=False), "nothing to undo"),
        (Thing("undo", in_view=False), CorrectState(is_flat=False, undo_name="split of cell 1"), ""),
        (Thing("redo"), CorrectState(undo_name="split of cell 1"), "nothing to redo"),
        (Thing("redo"), CorrectState(redo_name="split of cell 1"), ""),
        (Thing("accept"), CorrectState(has_cells=False), "no cells yet"),
        (Thing("next", changes=False), CorrectState(has_cells=False), "no cells yet"),
        (Thing("new_brush"), CorrectState(has_cells=False), ""),
        (Thing("accept"), CorrectState(), ""),
        (Thing(), CorrectState(closed="Open elsewhere."), "Open elsewhere."),
        (Thing("undo", in_view=False), CorrectState(undo_name="x", closed="Open elsewhere."), "Open elsewhere."),
        (Thing(needs=1), CorrectState(closed="Open elsewhere."), "Open elsewhere."),
        (Thing(changes=False), CorrectState(closed="Open elsewhere."), ""),
        (Thing(needs=1, changes=False), CorrectState(closed="Open elsewhere."), "Select a cell"),
    ],
)
def test_an_action_that_cannot_work_says_why(thing, state, reason):
    answer = why_not(thing, state)
    assert reason in answer
    assert bool(answer) == bool(reason)


def refused(state):
    return {name for name, reason in review_refusals(state).items() if reason}


def test_buttons_of_the_review_follow_its_state():
    assert refused(ReviewState()) == set(review_refusals(ReviewState()))
    assert refused(ReviewState(True, n_waiting=2)) == set()
    assert refused(ReviewState(True)) == {"previous", "next", "accept", "reject"}
    assert refused(ReviewState(True, has_active=True)) == {"previous", "next"}
    assert refused(ReviewState(True, is_flat=False, n_waiting=1)) == {"accept", "reject", "view", "draw", "whole"}
    closed = ReviewState(True, n_waiting=1, has_active=True, closed="Open elsewhere.")
    assert refused(closed) == {"accept", "reject", "view", "draw", "whole", "remove"}
    assert review_refusals(closed)["accept"] == "Open elsewhere."


def test_buttons_of_a_part_of_a_large_image_say_why_they_are_disabled():
    lazy = PartState("a_cells.ome.zarr")
    assert {name: c.enabled for name, c in part_controls(lazy).items()} == {
        "take": True,
        "put": False,
        "discard": False,
    }
    out = part_controls(replace(lazy, is_out=True))
    assert out["put"].enabled
    assert out["discard"].enabled
    assert out["take"].tooltip == "Put the part back or discard it first."
    busy = part_controls(replace(lazy, is_out=True, is_busy=True))
    assert not any(c.enabled for c in busy.values())
    assert part_controls(replace(lazy, is_flat=False))["take"].tooltip == NOT_FLAT
