"""The correction of an image is made when it is needed, and its actions go through one gate."""

from __future__ import annotations

import numpy as np
from corrected_cells import correct, views_agree

from napari_centermask.widgets.edit.correction import edit_session_of, perform
from napari_centermask.widgets.edit.keys import KEYS
from napari_centermask.widgets.viewer.state import session_of


def test_an_image_without_cells_can_be_corrected(bare_viewer):
    source = bare_viewer.add_image(np.zeros((64, 64), np.uint8), name="bare")
    edits = edit_session_of(session_of(bare_viewer), source)
    mask = np.ones((6, 8), bool)
    made = edits.add(mask, (5, 5))
    assert edits.selected == (made.id,)
    assert edits.history.undo_name == f"new cell {made.id}"
    assert views_agree(edits)


def test_an_action_that_cannot_run_says_why_and_changes_nothing(bare_viewer, notices):
    edits, merge = correct(bare_viewer), KEYS.actions["merge"]
    perform(edits, merge)
    assert notices()[-1].startswith(f"{merge.title}: ")
    assert "Shift-click" in notices()[-1]
    assert edits.history.undo_name is None
    edits.select((1, 2))
    perform(edits, merge)
    assert len(edits.result) == 3
