"""Counts by frame as a table."""

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from stained_cells import drag, field, kinds, shown


def test_a_stack_has_counts_by_frame_a_plot_and_a_table_that_lead_to_frames(viewer, open_dock):
    dock = open_dock({(0,): field(), (2,): field(10)[:3]}, leading=(4,), axis_labels=("t", "y", "x"))
    assert dock.counts.axis.currentText() == "Along t (4)"
    model = dock.counts.frames.counts
    lines = [[model.data(model.index(r, c)) for c in range(4)] for r in range(4)]
    assert lines == [["0", "4", "2", "66.7 %"], ["1", "0", "0", "–"], ["2", "2", "1", "66.7 %"], ["3", "0", "0", "–"]]
    viewer.dims.set_current_step(0, 2)
    assert dock.counts.summary.frame.text() == "t 2: 2 live cells, 1 dead cell. Viability <b>66.7 %</b>"
    assert shown(dock, (2,)) == [1, 1, 2]
    drag(dock, 0.3, release=False)
    assert model.data(model.index(2, 3)) == "33.3 %"
    (line,) = dock.counts.plot.plot.lines.values()
    np.testing.assert_allclose(line.getData()[1], [50, np.nan, 100 / 3, np.nan])
    drag(dock, 0.3)
    assert kinds(dock, (0,)) == [1, 2, 2, 2, 1, 1]
    assert kinds(dock, (2,)) == [1, 2, 2]
    assert len(dock.viability.edits.history._done) == 1
    box = dock.counts.frames.visualRect(model.index(0, 0))
    dock.counts.tabs.setCurrentWidget(dock.counts.frames)
    QTest.mouseClick(dock.counts.frames.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    assert viewer.dims.current_step[0] == 0
    assert shown(dock, (0,)) == [1, 2, 2, 2, 1, 1]
