"""The layer in which one cell is painted, and what becomes of a stroke."""

from __future__ import annotations

import numpy as np
from corrected_cells import correct, paint, truth, views_agree


def test_selecting_lifts_a_cell_and_deselecting_puts_it_back(bare_viewer):
    edits = correct(bare_viewer)
    seen = []
    edits.selection_changed.connect(seen.append)
    edits.select((2,))
    layer = edits.active.layer
    assert layer in bare_viewer.layers
    assert bare_viewer.layers.selection.active is layer
    assert np.array_equal(layer.data == 1, truth(edits, 2))
    assert views_agree(edits)
    assert 2 not in edits.shown.layers.cells.data
    edits.select((1, 3))
    assert np.array_equal(layer.data == 1, truth(edits, 1))
    assert (layer.data == 2).any()
    assert views_agree(edits)
    edits.select(())
    assert not layer.data.any()
    assert views_agree(edits)
    assert seen == [(2,), (1, 3), ()]


def test_a_stroke_changes_the_active_cell_alone_and_undo_restores_every_pixel(bare_viewer, qtbot):
    edits = correct(bare_viewer)
    before = {i.id: i for i in edits.result.plane(())}
    edits.select((1,))
    edits.active.layer.brush_size = 6
    paint(edits, [(30, 44), (30, 48)])
    edits.flush()
    after = edits.result.get((), 1)
    assert after.area > before[1].area
    assert after.status == "corrected"
    assert all(edits.result.get((), k) is before[k] for k in (2, 3, 4))
    assert edits.history.undo_name == "painting of cell 1"
    assert views_agree(edits)
    edits.undo()
    assert edits.result.get((), 1) is before[1]
    assert np.array_equal(edits.active.layer.data == 1, truth(edits, 1))
    assert views_agree(edits)
    edits.redo()
    assert edits.result.get((), 1).equals(after)
    assert np.array_equal(edits.active.layer.data == 1, truth(edits, 1))
    assert views_agree(edits)


def test_painting_is_taken_over_by_itself_after_the_stroke(bare_viewer, qtbot):
    edits = correct(bare_viewer)
    edits.select((4,))
    paint(edits, [(70, 112)])
    qtbot.waitUntil(lambda: edits.history.undo_name == "painting of cell 4", timeout=5_000)


def test_erasing_everything_deletes_the_cell(bare_viewer):
    edits = correct(bare_viewer)
    edits.select((4,))
    edits.active.layer.brush_size = 60
    paint(edits, [(70, 100)], label=0)
    edits.flush()
    assert edits.result.get((), 4) is None
    assert edits.selected == ()
    edits.undo()
    assert edits.result.get((), 4) is not None
    assert views_agree(edits)


def test_a_bucket_beside_the_cell_is_taken_back(bare_viewer, notices):
    edits = correct(bare_viewer)
    edits.select((4,))
    edits.active.layer.mode = "fill"
    edits.active.layer.fill((2, 2), 1)
    edits.flush()
    assert edits.history.undo_name is None
    assert np.array_equal(edits.active.layer.data == 1, truth(edits, 4))
    assert len(notices()) == 1
