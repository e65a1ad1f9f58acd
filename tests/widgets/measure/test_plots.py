"""The histogram and the scatter plot select cells by real drags and clicks, and follow the theme."""

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_centermask.widgets.measure import plots
from napari_centermask.widgets.measure.measurements import Measurements
from napari_centermask.widgets.measure.plots import Histogram, Scatter, bins

N = 40
AREAS = np.arange(1.0, N + 1) * 10
MEASURED = Measurements(
    {
        "id": np.arange(1, N + 1),
        "category": np.array(["nucleus"] * N, object),
        "category_id": np.ones(N, np.int64),
        "area_px": AREAS,
        "mean_DAPI": AREAS**0.5,
    }
)


@pytest.fixture
def shown(qtbot, monkeypatch):
    """A plot of these cells, and the ids that it picked."""
    import pyqtgraph

    monkeypatch.setitem(pyqtgraph.CONFIG_OPTIONS, "mouseRateLimit", -1)  # no moves of the mouse are left out

    def shown(kind, measured=MEASURED):
        plot, picked = kind(), []
        qtbot.addWidget(plot)
        plot.resize(320, 380)
        plot.show_measured(measured, {})
        plot.picked.connect(picked.append)
        with qtbot.waitExposed(plot):
            plot.show()
        plot.widget.grab()
        return plot, picked

    return shown


def at(plot, x, y):
    """The pixel of a point in the units of the plot."""
    return plot.widget.mapFromScene(plot.box.mapViewToScene(QPointF(x, y)))


def send(plot, kind, place, buttons, modifiers=Qt.KeyboardModifier.NoModifier):
    view = plot.widget.viewport()
    button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
    event = QMouseEvent(kind, QPointF(place), QPointF(view.mapToGlobal(place)), button, buttons, modifiers)
    QApplication.sendEvent(view, event)


def drag(plot, start, end, modifiers=Qt.KeyboardModifier.NoModifier):
    a, b = at(plot, *start), at(plot, *end)
    send(plot, QEvent.Type.MouseButtonPress, a, Qt.MouseButton.LeftButton, modifiers)
    for k in range(1, 9):
        place = QPoint(a.x() + (b.x() - a.x()) * k // 8, a.y() + (b.y() - a.y()) * k // 8)
        send(plot, QEvent.Type.MouseMove, place, Qt.MouseButton.LeftButton, modifiers)
    send(plot, QEvent.Type.MouseButtonRelease, b, Qt.MouseButton.NoButton, modifiers)


def click(plot, x, y):
    place = at(plot, x, y)
    send(plot, QEvent.Type.MouseButtonPress, place, Qt.MouseButton.LeftButton)
    send(plot, QEvent.Type.MouseButtonRelease, place, Qt.MouseButton.NoButton)


def test_a_drag_over_the_histogram_selects_what_lies_between(shown):
    plot, picked = shown(Histogram)
    assert plot.axes[0].currentData() == "area_px"
    drag(plot, (95, 1), (205, 2))
    assert picked[-1] == list(range(10, 21))
    plot.show_selection(picked[-1])
    drag(plot, (305, 1), (325, 2), Qt.KeyboardModifier.ShiftModifier)
    assert picked[-1] == [*range(10, 21), 31, 32]


def test_a_click_on_a_bar_selects_its_cells_and_the_bars_hold_each_cell_once(shown):
    plot, picked = shown(Histogram)
    edges, found = plot._edges, []
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        click(plot, (left + right) / 2, 0.2)
        found += picked[-1]
    assert sorted(found) == MEASURED.ids.tolist()


def test_a_drag_in_the_scatter_plot_selects_what_lies_inside(shown):
    plot, picked = shown(Scatter)
    assert [axis.currentData() for axis in plot.axes] == ["area_px", "mean_DAPI"]
    drag(plot, (95, 4), (205, 14.3))
    assert picked[-1] == [i for i in range(10, 21) if (10 * i) ** 0.5 <= 14.3]


def test_a_click_selects_the_cell_under_it_or_none(shown):
    plot, picked = shown(Scatter)
    click(plot, 200, 200**0.5)
    assert picked[-1] == [20]
    click(plot, 380, 5)
    assert picked[-1] == []


def test_another_measure_is_drawn_and_stays_when_cells_are_measured_again(shown):
    plot, _ = shown(Histogram)
    plot.axes[0].setCurrentIndex(plot.axes[0].findData("mean_DAPI"))
    plot.axes[0].activated.emit(plot.axes[0].currentIndex())
    assert plot._edges[-1] == pytest.approx(20)
    plot.show_measured(MEASURED, {})
    assert plot.axes[0].currentData() == "mean_DAPI"


def test_values_that_are_not_defined_are_not_drawn_and_never_selected(shown):
    areas = AREAS.copy()
    areas[4] = np.nan
    plot, picked = shown(Scatter, Measurements({**MEASURED.columns, "area_px": areas}))
    drag(plot, (1, 3), (401, 20.3))
    assert 5 not in picked[-1]


def test_axes_have_the_colour_of_text_and_follow_it(shown):
    plot, _ = shown(Scatter)
    plot.widget.setStyleSheet("color: #123456")
    assert plot.widget.getPlotItem().getAxis("left").textPen().color() == QColor("#123456")
    on_light = plot._spots[1].opts["brush"].color()
    plot.widget.setStyleSheet("color: #eeeeee")
    assert plot.widget.getPlotItem().getAxis("left").textPen().color() == QColor("#eeeeee")
    assert plot._spots[1].opts["brush"].color().lightness() > on_light.lightness()


def test_without_pyqtgraph_the_plot_says_what_to_install(qtbot, monkeypatch):
    from qtpy.QtWidgets import QLabel

    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    plot = Histogram()
    qtbot.addWidget(plot)
    assert plot.findChild(QLabel).text() == plots.WITHOUT
    assert "pip install" in plots.WITHOUT
    plot.show_measured(MEASURED, {})
    plot.show_selection([1, 2])


@pytest.mark.parametrize(
    ("values", "n"),
    [([], 1), ([3.0], 1), ([113.2], 1), ([1, 2, 2, 5], 5), (np.linspace(0, 1, 500), 8), ([0.1] * 9 + [0.7], 20)],
)
def test_bars_hold_every_value(values, n):
    edges = bins(np.asarray(values, float))
    assert len(edges) == n + 1
    assert np.histogram(values, edges)[0].sum() == len(values)
    assert (np.diff(edges) > 0).all()
