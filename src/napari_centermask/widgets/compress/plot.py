"""Speed against AP, a dot for each step of a compression. pyqtgraph is imported when the first plot is made."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_centermask.core.extras import how_to_install
from napari_centermask.widgets.compress.table import Row, headings
from napari_centermask.widgets.parts.layout import quiet_label
from napari_centermask.widgets.parts.plot_colours import ThemeColours, text_colour, tone

WITHOUT = f"The plot needs pyqtgraph: {how_to_install('measure')}. The table works without it."
_ABOUT = "AP50 over images of 512 x 512 per second, a dot for each step. Red: loses more than is accepted."
_GOOD, _BAD = "#4c9be8", "#e86a6a"
_HEIGHT, _LEFT_WIDTH, _SPOT = 170, 46, 10  # pixels


class SpeedPlot(QWidget):
    """AP50 over images per second; steps that lose too much are red."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: tuple[Row, ...] = ()
        self.widget: Any = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        if find_spec("pyqtgraph") is None:
            layout.addWidget(quiet_label(WITHOUT))
            return
        import pyqtgraph

        self._graph = pyqtgraph
        self.widget = pyqtgraph.PlotWidget(background=None)
        self.widget.setFixedHeight(_HEIGHT)
        self.widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.widget.setMouseEnabled(x=False, y=False)
        item = self.widget.getPlotItem()
        item.setMenuEnabled(False)
        item.ctrlMenu.setParent(self.widget, item.ctrlMenu.windowFlags())  # without a parent it would outlive its dock
        item.hideButtons()
        item.showGrid(x=True, y=True, alpha=0.2)
        item.getAxis("left").setWidth(_LEFT_WIDTH)
        for side in ("left", "bottom"):
            item.getAxis(side).enableAutoSIPrefix(False)
        layout.addWidget(self.widget)
        layout.addWidget(quiet_label(_ABOUT))
        self._theme = ThemeColours(self.widget, self._draw)

    def show_steps(self, steps: tuple[Row, ...]) -> None:
        """Draw other steps."""
        self.steps = steps
        if self.widget is not None:
            self._draw()

    def _draw(self) -> None:
        item = self.widget.getPlotItem()
        item.clear()
        if not self.steps:
            return
        xs = [row["images_per_second"] for row in self.steps]
        ys = [row["scores"]["ap50"] or 0.0 for row in self.steps]
        colours = [tone(_GOOD if row["accepted"] else _BAD, self.widget) for row in self.steps]
        item.addItem(self._graph.ScatterPlotItem(xs, ys, brush=colours, pen=None, size=_SPOT))
        (left, right), y_range = _room(xs, 0.1), _room(ys, 0.01)
        for n, (name, x, y) in enumerate(zip(headings(self.steps), xs, ys, strict=True)):
            # In turn above and below the dots, and further left the further right they are, so that names stay in the plot.
            anchor = (x - left) / (right - left), 1.2 if n % 2 else -0.2
            text = self._graph.TextItem(name, color=text_colour(self.widget), anchor=anchor)
            text.setPos(x, y)
            item.addItem(text, ignoreBounds=True)
        item.getViewBox().setRange(xRange=(left, right), yRange=y_range, padding=0)


def _room(values: list[float], least: float) -> tuple[float, float]:
    """A range with room on both sides."""
    low, high = min(values), max(values)
    rim = max(0.25 * (high - low), least)
    return low - rim, high + rim
