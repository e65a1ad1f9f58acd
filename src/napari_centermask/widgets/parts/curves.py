"""Live curves: each loss, and AP on the validation images. pyqtgraph is imported when the first plot is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from math import log10
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QColor, QPen
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_centermask.core.extras import how_to_install
from napari_centermask.widgets.parts.control import control
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.parts.plot_colours import ThemeColours, tone
from napari_centermask.widgets.work.run_state import Curve

if TYPE_CHECKING:
    from pyqtgraph import PlotDataItem

    from napari_centermask.widgets.work.run_state import RunState

REDRAW_MS = 240
"""Four times a second at most: a redraw takes 25 ms with software OpenGL. Just shorter than the time between two reports of
a run, so that curves and texts come in one picture of the window."""
_AXIS_WIDTH, _AXIS_HEIGHT = 44, 22  # pixels; "0.001", and one line of text
_COLOURS = ("#4c9be8", "#e8794c", "#5cc27f", "#c95cc2", "#e8c84c", "#5cc2c2", "#e84c6f", "#9b7ae8", "#a3c25c")
KNOWN = "AP: on the validation images. AP known: on images like those of the start model; a fall means forgetting."
OVER_TIME = "Draw over minutes of training instead of steps; evaluations are not counted."
NO_TIMES = "Nothing recorded when this training made its steps."
WITHOUT = f"Curves need pyqtgraph: {how_to_install('train')}"


class Curves(QWidget):
    """Two plots, one above the other: losses (logarithmic) and AP, over steps or over the time of training.

    Shows the newest state at most four times a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._state: RunState | None = None
        self._is_new = False
        self.redraws = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(REDRAW_MS)
        self._timer.timeout.connect(self._on_time)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.plots: tuple[Plot, ...] = ()
        if find_spec("pyqtgraph") is None:
            note = QLabel(WITHOUT)
            note.setWordWrap(True)
            layout.addWidget(note)
            return
        self.plots = Plot("loss", is_log=True), Plot("AP", limits=(0.0, 1.0))
        self.plots[1].legend.setToolTip(KNOWN)
        self.over_time = QCheckBox("Over minutes of training")
        self.over_time.toggled.connect(self._on_axis)
        layout.addWidget(self.over_time)
        for plot in self.plots:
            layout.addWidget(plot.legend)
            layout.addWidget(plot.widget)
        self._warm_up()

    def _warm_up(self) -> None:
        """Draw once while hidden: the first drawing takes some hundred milliseconds, which are spent when the dock opens."""
        for plot in self.plots:
            plot.draw({"": Curve([0, 1], [0.1, 1.0])}, 1)
            plot.widget.grab()
            plot.draw({}, 1)

    def show_state(self, state: RunState) -> None:
        """Show a run's curves, at once if the last redraw was long ago, else soon."""
        self._state, self._is_new = state, True
        if not self._timer.isActive():
            self._on_time()

    def prepare(self) -> None:
        """Compute the layout after a change of size, before drawing."""
        for plot in self.plots:
            plot.prepare()

    def _on_axis(self, *_: object) -> None:
        self._is_new = True
        self._on_time()

    def _on_time(self) -> None:
        if not self._is_new or self._state is None or not self.plots:
            return
        self._is_new = False
        self.redraws += 1
        show_control(self.over_time, control(OVER_TIME, "" if self._state.clock.steps else NO_TIMES))
        over_time = self.over_time.isChecked() and self.over_time.isEnabled()
        for plot, curves in zip(self.plots, (self._state.losses, self._state.scores), strict=True):
            plot.draw(curves, *self._axis(over_time))
        self._timer.start()

    def _axis(self, over_time: bool) -> tuple[float, Callable[[list[int]], Sequence[float]]]:
        """Where the axis ends, and the place on it of each step."""
        state = self._state
        every = [*state.losses.values(), *state.scores.values()]
        last = [curve.steps[-1] for curve in every if curve.steps]
        if over_time:
            return max(state.minutes(last), default=0.0), state.minutes
        return max([state.steps, *last]), list


class Plot:
    """One pyqtgraph plot with a line for each name, and the names above it in their colours."""

    def __init__(self, title: str, *, is_log: bool = False, limits: tuple[float, float] | None = None) -> None:
        import pyqtgraph

        self._graph, self._title, self._is_log = pyqtgraph, title, is_log
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.widget = pyqtgraph.PlotWidget(background=None)
        self.widget.setFixedHeight(130)
        item = self.widget.getPlotItem()
        item.setLogMode(y=is_log)
        item.showGrid(x=True, y=True, alpha=0.2)
        item.setMenuEnabled(False)
        menu = item.ctrlMenu  # it is never shown and has no parent, so it would outlive its dock
        menu.setParent(self.widget, menu.windowFlags())
        item.hideButtons()
        # A fixed size: otherwise an axis may need another size while it is drawn, and everything is drawn again.
        item.getAxis("left").setWidth(_AXIS_WIDTH)
        item.getAxis("bottom").setHeight(_AXIS_HEIGHT)
        for side in ("left", "bottom"):
            item.getAxis(side).setStyle(autoExpandTextSpace=False)
        if limits is not None:
            item.setLimits(yMin=limits[0], yMax=limits[1])
        self.lines: dict[str, PlotDataItem] = {}
        self._names: list[str] = []
        self._drawn: tuple[object, ...] | None = None
        self._theme = ThemeColours(self.widget, self._recolour)

    def _recolour(self) -> None:
        """Another theme: the lines are drawn in tones for it."""
        for n, name in enumerate(self._names):
            self.lines[name].setPen(self._pen(n))
            self.lines[name].setSymbolBrush(self._colour(n))
        self._write_legend()

    def _colour(self, n: int) -> QColor:
        return tone(_COLOURS[n % len(_COLOURS)], self.widget)

    def _pen(self, n: int) -> QPen:
        return self._graph.mkPen(self._colour(n), width=2)

    def _write_legend(self) -> None:
        parts = (
            f"<span style='color: {self._colour(n).name()}'>●&nbsp;{name.replace('_', '&nbsp;')}</span>"
            for n, name in enumerate(self._names)
        )
        text = f"{self._title}: {' '.join(parts)}"
        if text != self.legend.text():
            self.legend.setText(text)

    def prepare(self) -> None:
        """Fit the ranges before drawing, which would otherwise cause a second redraw."""
        self.widget.scene().prepareForPaint()

    def draw(self, curves: dict[str, Curve], end: float, place: Callable[[list[int]], Sequence[float]] = list) -> None:
        """Update the lines, from 0 to `end` of the lower axis, and remove those of another run.

        `place` gives the places of steps on that axis.
        """
        x = {name: place(curve.steps) for name, curve in curves.items()}
        new = (
            end,
            *((name, id(curve), len(curve.steps), *x[name][-1:], *curve.values[-1:]) for name, curve in curves.items()),
        )
        if new == self._drawn:  # this redraws the whole window if it holds an OpenGL canvas
            return
        self._drawn = new
        item = self.widget.getPlotItem()
        for name in [n for n in self.lines if n not in curves]:
            item.removeItem(self.lines.pop(name))
        for n, (name, curve) in enumerate(curves.items()):
            if name not in self.lines:
                pen = self._pen(n)
                few = {"symbol": "o", "symbolSize": 5, "symbolBrush": pen.color(), "symbolPen": None}
                self.lines[name] = item.plot(pen=pen, **(few if len(curves) <= 3 else {}))
            self.lines[name].setData(x[name], curve.values)
        item.setXRange(0, end or 1, padding=0.02)
        if self._is_log:
            item.getAxis("left").setStyle(maxTextLevel=0 if _decades(curves) > 1.5 else 2)
        self.prepare()
        self._names = list(curves)
        self._write_legend()


def _decades(curves: dict[str, Curve]) -> float:
    """How many powers of ten the values span."""
    values = [v for curve in curves.values() for v in curve.values if v > 0]
    return log10(max(values) / min(values)) if values else 0.0
