"""The histogram and the scatter plot, in which cells are selected. pyqtgraph is imported when the first plot is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QComboBox, QSizePolicy, QVBoxLayout, QWidget

from napari_centermask.core.extras import how_to_install
from napari_centermask.widgets.measure.measurements import Measurements, title
from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.parts.layout import even, quiet_label
from napari_centermask.widgets.parts.pickers import can_shrink
from napari_centermask.widgets.parts.plot_colours import ThemeColours, text_colour, tone

WITHOUT = f"Plots need pyqtgraph: {how_to_install('measure')}. The table works without it."
_BAR, _CHOSEN = "#7a93b8", "#ff9f5a"
_SPOT = 6  # pixels
_NEAR = 9  # pixels between a click and the cell that it selects
_LEFT_WIDTH, _LEAST_HEIGHT = 52, 150  # pixels
_FEWEST_LETTERS = 6  # in the box of an axis: two of them stand side by side in a narrow dock


class MeasurePlot(QWidget):
    """A plot of measures with a box to choose each axis; the base of both kinds.

    A drag selects the cells inside, with Shift in addition to those selected before; a click selects one, or none.

    Attributes
    ----------
    picked
        Emitted with the ids of the cells that were selected.
    """

    picked = Signal(list)

    def __init__(self, *axes: QComboBox, hint: str) -> None:
        super().__init__()
        self.axes = axes
        self.measured = Measurements({})
        self.selected: tuple[int, ...] = ()
        self.colours: Mapping[int, str] = {}
        self.widget: Any = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.setSpacing(4)
        if find_spec("pyqtgraph") is None:
            layout.addWidget(quiet_label(WITHOUT))
            layout.addStretch(1)
            for axis in axes:
                axis.setParent(self)
                axis.hide()
            return
        for axis in axes:
            can_shrink(axis)
            axis.setMinimumContentsLength(_FEWEST_LETTERS)
            axis.activated.connect(lambda _: self.redraw())
        layout.addWidget(even(*axes))
        self._make(layout)
        layout.addWidget(quiet_label(hint))

    def _make(self, layout: QVBoxLayout) -> None:
        from pyqtgraph import PlotWidget

        from napari_centermask.widgets.measure.dragged import SelectingBox

        self.box = SelectingBox()
        self.widget = PlotWidget(background=None, viewBox=self.box)
        self.widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.widget.setMinimumHeight(_LEAST_HEIGHT)
        self.widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        item = self.widget.getPlotItem()
        item.setMenuEnabled(False)
        item.ctrlMenu.setParent(self.widget, item.ctrlMenu.windowFlags())  # without a parent it would outlive its dock
        item.hideButtons()
        item.getAxis("left").setWidth(_LEFT_WIDTH)
        for side in ("left", "bottom"):
            item.getAxis(side).enableAutoSIPrefix(False)
        layout.addWidget(self.widget, 1)
        self.box.dragged.connect(self._on_dragged)
        self.box.clicked.connect(self._on_clicked)
        self._make_items(item)
        self.theme = ThemeColours(self.widget, self.redraw)

    def _make_items(self, item: Any) -> None:
        raise NotImplementedError

    def show_measured(self, measured: Measurements, colours: Mapping[int, str]) -> None:
        """Draw other measurements; the chosen axes stay if they are still there.

        Parameters
        ----------
        colours
            Colours of categories, as of `parts.colours.category_colour`.
        """
        self.measured, self.colours = measured, colours
        if self.widget is None:
            return
        for place, axis in enumerate(self.axes):
            before = axis.currentData()
            with QSignalBlocker(axis):
                axis.clear()
                for name in measured.numeric:
                    axis.addItem(title(name), name)
                known = axis.findData(before)
                axis.setCurrentIndex(known if known >= 0 else self._usual(place))
        self.redraw()

    def _usual(self, place: int) -> int:
        """The measure that an axis shows at first."""
        means = [k for k, name in enumerate(self.measured.numeric) if name.startswith("mean_")]
        return means[0] if place and means else 0

    def show_selection(self, ids: Iterable[int]) -> None:
        """Mark these cells, without `picked`."""
        self.selected = tuple(ids)
        if self.widget is not None:
            self._draw_selected()

    def redraw(self) -> None:
        """Draw everything again."""
        if self.widget is not None and self.measured is not None and hasattr(self, "theme"):
            self._draw()
            self._draw_selected()

    def _draw(self) -> None:
        raise NotImplementedError

    def _draw_selected(self) -> None:
        raise NotImplementedError

    def _on_dragged(self, x0: float, x1: float, y0: float, y1: float, more: bool) -> None:
        raise NotImplementedError

    def _on_clicked(self, x: float, y: float, more: bool) -> None:
        raise NotImplementedError

    def _values(self, place: int) -> np.ndarray:
        """(n,) float64 of the measure on an axis."""
        name = self.axes[place].currentData()
        if name is None:
            return np.zeros(0)
        return np.asarray(self.measured.columns[name], float)

    def _pick(self, inside: np.ndarray, more: bool) -> None:
        """Select the cells of these rows (n,) bool, or in addition."""
        ids = self.measured.ids[inside].tolist()
        self.picked.emit(list(dict.fromkeys([*(self.selected if more else ()), *ids])))


class Histogram(MeasurePlot):
    """How many cells have which value."""

    def __init__(self) -> None:
        self._edges = np.zeros(2)
        super().__init__(QComboBox(), hint="Click a bar or drag over several to select their cells; Shift adds.")

    def _make_items(self, item: Any) -> None:
        from pyqtgraph import BarGraphItem

        self._bars, self._chosen = (BarGraphItem(x0=[], x1=[], height=[], pen=None) for _ in range(2))
        item.addItem(self._bars)
        item.addItem(self._chosen)
        item.setLabel("left", "Cells")

    def _draw(self) -> None:
        values = self._values(0)
        known = values[np.isfinite(values)]
        self._edges = bins(known)
        self._bar(self._bars, known, tone(_BAR, self.widget))
        self.widget.setLabel("bottom", self.axes[0].currentText(), color=text_colour(self.widget).name())
        self.widget.getAxis("left").label.setDefaultTextColor(text_colour(self.widget))
        top = max(1, np.histogram(known, self._edges)[0].max(initial=0))
        self.widget.setXRange(self._edges[0], self._edges[-1], padding=0.03)
        self.widget.setYRange(0, top, padding=0.05)

    def _draw_selected(self) -> None:
        values = self._values(0)
        chosen = values[self.measured.rows_of(self.selected)] if len(values) else values
        self._bar(self._chosen, chosen[np.isfinite(chosen)], tone(_CHOSEN, self.widget))

    def _bar(self, bars: Any, values: np.ndarray, colour: QColor) -> None:
        counts = np.histogram(values, self._edges)[0]
        bars.setOpts(x0=self._edges[:-1], x1=self._edges[1:], height=counts, brush=colour, pen=None)

    def _on_dragged(self, x0: float, x1: float, y0: float, y1: float, more: bool) -> None:
        values = self._values(0)
        self._pick((values >= x0) & (values <= x1), more)

    def _on_clicked(self, x: float, y: float, more: bool) -> None:
        values, at = self._values(0), int(np.searchsorted(self._edges, x, side="right")) - 1
        if not 0 <= at < len(self._edges) - 1:
            self._pick(np.zeros(len(values), bool), more)
            return
        upper = values <= self._edges[at + 1] if at == len(self._edges) - 2 else values < self._edges[at + 1]
        self._pick((values >= self._edges[at]) & upper, more)


def bins(values: np.ndarray) -> np.ndarray:
    """(k + 1,) edges of the bars of a histogram, by the rule of Freedman and Diaconis; of whole numbers, one bar for each."""
    if not len(values):
        return np.array([0.0, 1.0])
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low - 0.5, low + 0.5])  # a bar of no width would not be seen
    if high - low <= 40 and (values == np.round(values)).all():
        return np.arange(low - 0.5, high + 1.5)
    quarters = np.subtract(*np.percentile(values, [75, 25]))
    width = 2 * quarters / len(values) ** (1 / 3)
    n = int(np.clip(np.ceil((high - low) / width), 8, 60)) if width > 0 else 20
    return np.linspace(low, high, n + 1)


class Scatter(MeasurePlot):
    """One measure against another, a spot for each cell in the colour of its category."""

    def __init__(self) -> None:
        super().__init__(
            QComboBox(), QComboBox(), hint="Drag a box around cells or click one to select them; Shift adds."
        )

    def _make_items(self, item: Any) -> None:
        from napari_centermask.widgets.measure.dragged import Spots

        self._spots: dict[int, Any] = {}
        self._chosen = Spots(size=_SPOT + 3)
        self._chosen.setZValue(1)
        item.addItem(self._chosen)

    def _points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y and whether both are defined, (n,) each."""
        x, y = self._values(0), self._values(1)
        return x, y, np.isfinite(x) & np.isfinite(y)

    def _draw(self) -> None:
        x, y, known = self._points()
        kinds = self.measured.columns.get("category_id", np.zeros(0, np.int64))
        for category in {*self._spots} - set(kinds.tolist()):
            self.widget.removeItem(self._spots.pop(category))
        for category in sorted(set(kinds.tolist())):
            here = known & (kinds == category)
            colour = tone(QColor.fromRgbF(*map(float, category_colour(category, self.colours))), self.widget)
            colour.setAlpha(200)
            self._spots_of(category).setData(x[here], y[here], brush=colour, pen=None)
        for side, axis in zip(("bottom", "left"), self.axes, strict=True):
            self.widget.setLabel(side, axis.currentText(), color=text_colour(self.widget).name())
        if known.any():
            self.widget.setXRange(x[known].min(), x[known].max(), padding=0.05)
            self.widget.setYRange(y[known].min(), y[known].max(), padding=0.05)

    def _spots_of(self, category: int) -> Any:
        from napari_centermask.widgets.measure.dragged import Spots

        if category not in self._spots:
            self._spots[category] = Spots(size=_SPOT)
            self.widget.addItem(self._spots[category])
        return self._spots[category]

    def _draw_selected(self) -> None:
        from pyqtgraph import mkPen

        x, y, known = self._points()
        chosen = self.measured.rows_of(self.selected) if len(x) else np.zeros(0, np.int64)
        chosen = chosen[known[chosen]]
        pen = mkPen(text_colour(self.widget), width=1.5)
        self._chosen.setData(x[chosen], y[chosen], brush=tone(_CHOSEN, self.widget), pen=pen)

    def _on_dragged(self, x0: float, x1: float, y0: float, y1: float, more: bool) -> None:
        x, y, known = self._points()
        self._pick(known & (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1), more)

    def _on_clicked(self, x: float, y: float, more: bool) -> None:
        xs, ys, known = self._points()
        wide, high = self.box.viewPixelSize()
        gaps = np.hypot((xs - x) / wide, (ys - y) / high)
        gaps[~known] = np.inf
        inside = np.zeros(len(gaps), bool)
        if len(gaps) and gaps.min() <= _NEAR:
            inside[gaps.argmin()] = True
        self._pick(inside, more)
