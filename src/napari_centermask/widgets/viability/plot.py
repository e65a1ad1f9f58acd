"""Viability along a stack: over time or depth. pyqtgraph is imported when the first plot is made."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_centermask.widgets.parts.curves import WITHOUT, Plot
from napari_centermask.widgets.parts.plot_colours import ThemeColours, tone
from napari_centermask.widgets.work.run_state import Curve

_HEIGHT = 220  # pixels: a choice, so that the dock fits a screen of 720


class ViabilityPlot(QWidget):
    """A curve and a line at the current frame; a click goes to a frame.

    Attributes
    ----------
    picked
        Emitted with the frame that was clicked.
    """

    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.setSpacing(4)
        self.plot: Plot | None = None
        self._curve = Curve()
        if find_spec("pyqtgraph") is None:
            note = QLabel(WITHOUT)
            note.setWordWrap(True)
            layout.addWidget(note)
            return
        self._make_plot(layout)

    def _make_plot(self, layout: QVBoxLayout) -> None:
        import pyqtgraph

        self.plot = plot = Plot("viability %", limits=(-5.0, 105.0))
        plot.widget.setFixedHeight(_HEIGHT)
        plot.widget.setYRange(0, 100)
        plot.widget.setMouseEnabled(x=False, y=False)
        plot.widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        plot.widget.setToolTip("Click to go to that frame.")
        self.here = pyqtgraph.InfiniteLine(angle=90)
        plot.widget.addItem(self.here)
        self._theme = ThemeColours(plot.widget, self._recolour)
        plot.widget.scene().sigMouseClicked.connect(self._on_clicked)
        layout.addWidget(plot.legend)
        layout.addWidget(plot.widget)
        layout.addStretch(1)

    def _recolour(self) -> None:
        """The line at the current frame is yellow, and brown on a light theme."""
        self.here.setPen(tone("#ffd166", self.plot.widget))

    def show_viability(self, percent: np.ndarray, here: int, *, along: str) -> None:
        """Draw (n,) percentages of the frames and mark the current one; frames without cells leave a gap."""
        if self.plot is None:
            return
        # The plot identifies curves by object, so the old one must live until the new one is drawn.
        before, self._curve = self._curve, Curve(list(range(len(percent))), percent.tolist())
        lines = {f"along {along}": self._curve} if np.isfinite(percent).any() else {}
        self.plot.draw(lines, max(len(percent) - 1, 1))
        self.here.setValue(here)
        del before

    def _on_clicked(self, event: Any) -> None:
        x = self.plot.widget.getPlotItem().vb.mapSceneToView(event.scenePos()).x()
        if self._curve.steps:
            self.picked.emit(int(np.clip(round(x), 0, len(self._curve.steps) - 1)))
