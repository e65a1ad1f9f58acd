"""Reviewed rectangles on the canvas."""

import numpy as np
from review_field import FIELD, status


def test_a_region_accepts_its_cells_and_is_shown_listed_and_undone(viewer, open_dock, qtbot):
    dock = open_dock({(): FIELD})
    dock.mark((0.2, -5, 41.4, 80))
    assert dock.edits.result.reviewed(()) == ((0, 0, 41, 80),)
    assert (status(dock, 1), status(dock, 2), status(dock, 3)) == ("accepted", "accepted", "predicted")
    dock.settle()
    assert dock.regions.list.item(0).text() == "80 x 41 at (0, 0), 17%"
    qtbot.waitUntil(lambda: "field reviewed" in viewer.layers)  # comes in a turn of its own
    layer = viewer.layers["field reviewed"]
    np.testing.assert_array_equal(layer.data[0][:, -2:].min(axis=0), (-0.5, -0.5))
    assert not layer.editable
    dock.edits.undo()
    dock.settle()
    assert dock.edits.result.reviewed(()) == ()
    assert status(dock, 1) == "predicted"
    qtbot.waitUntil(lambda: "field reviewed" not in viewer.layers, timeout=5000)  # removed in a turn of its own
