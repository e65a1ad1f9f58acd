"""Live curves: each loss, and AP on the validation images. pyqtgraph is imported when the first plot is made."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from .run_state import Curve, RunState

REDRAW_MS = 250  # 4 Hz at most: a redraw takes 10 ms with software OpenGL
_COLOURS = ("#4c9be8", "#e8794c", "#5cc27f", "#c95cc2", "#e8c84c", "#5cc2c2", "#e84c6f", "#9b7ae8", "#a3c25c")
_WITHOUT = "Curves need pyqtgraph: pip install 'napari-centermask[train]'"


class Curves(QWidget):
    """Two plots, one above the other: losses (logarithmic) and AP. Shows the newest state at most four times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._state: RunState | None = None
        self._is_new = False
        self.redraws = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REDRAW_MS)
        self._timer.timeout.connect(self._on_time)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.plots: tuple[_Plot, ...] = ()
        if find_spec("pyqtgraph") is None:
            note = QLabel(_WITHOUT)
            note.setWordWrap(True)
            layout.addWidget(note)
            return
        self.plots = _Plot("loss", is_log=True), _Plot("AP", limits=(0.0, 1.0))
        for plot in self.plots:
            layout.addWidget(plot.widget)

    def show_state(self, state: RunState) -> None:
        """Show a run's curves, at once if the last redraw is long ago, else soon."""
        self._state, self._is_new = state, True
        if not self._timer.isActive():
            self._on_time()

    def _on_time(self) -> None:
        if not self._is_new or self._state is None or not self.plots:
            return
        self._is_new = False
        self.redraws += 1
        losses, scores = self.plots
        losses.draw(self._state.losses)
        scores.draw(self._state.scores)
        self._timer.start()


class _Plot:
    """One pyqtgraph plot with a line for each name."""

    def __init__(self, title: str, *, is_log: bool = False, limits: tuple[float, float] | None = None) -> None:
        import pyqtgraph

        self._graph = pyqtgraph
        self.widget = pyqtgraph.PlotWidget(background=None)
        self.widget.setFixedHeight(150)
        item = self.widget.getPlotItem()
        item.setLabel("left", title)
        item.setLogMode(y=is_log)
        item.showGrid(x=True, y=True, alpha=0.2)
        item.addLegend(offset=(-4, 4), labelTextSize="8pt")
        item.setMenuEnabled(False)
        item.hideButtons()
        if limits is not None:
            item.setYRange(*limits)
        self.lines: dict[str, object] = {}

    def draw(self, curves: dict[str, Curve]) -> None:
        """Bring the lines up to date; those of another run go."""
        item = self.widget.getPlotItem()
        for name in [n for n in self.lines if n not in curves]:
            item.removeItem(self.lines.pop(name))
        for name, curve in curves.items():
            if name not in self.lines:
                pen = self._graph.mkPen(_COLOURS[len(self.lines) % len(_COLOURS)], width=2)
                few = {"symbol": "o", "symbolSize": 5, "symbolBrush": pen.color(), "symbolPen": None}
                options = few if len(curves) <= 2 else {}
                self.lines[name] = item.plot(name=name, pen=pen, **options)
            self.lines[name].setData(curve.steps, curve.values)
