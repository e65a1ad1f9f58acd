"""Viability over frames as a plot."""

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from stained_cells import field


def test_a_click_in_the_plot_goes_to_the_frame(viewer, open_dock):
    dock = open_dock({(k,): field(10 * k) for k in range(5)}, leading=(5,))
    dock.counts.tabs.setCurrentWidget(dock.counts.plot)
    dock.resize(360, 800)
    view = dock.counts.plot.plot.widget
    dock.grab()  # lays the plot out
    at = view.mapFromScene(view.getPlotItem().vb.mapViewToScene(view.getPlotItem().vb.viewRect().center()))
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert viewer.dims.current_step[0] == 2
    assert dock.counts.plot.here.value() == 2
