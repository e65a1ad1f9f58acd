"""The inside of a plot in which dragging selects; pyqtgraph is imported with this file."""

from __future__ import annotations

from typing import Any

from pyqtgraph import ScatterPlotItem, ViewBox
from qtpy.QtCore import Qt, Signal


class SelectingBox(ViewBox):
    """The inside of a plot: a drag draws a box and a click is a point; both never move or zoom the plot.

    Attributes
    ----------
    dragged
        Emitted with x0, x1, y0, y1 in the units of the plot, and whether Shift is held.
    clicked
        Emitted with x, y, and whether Shift is held.
    """

    dragged = Signal(float, float, float, float, bool)
    clicked = Signal(float, float, bool)

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.setMouseEnabled(x=False, y=False)

    def mouseDragEvent(self, event: Any, axis: Any = None) -> None:
        """Draw the box, and select when it ends."""
        event.accept()
        if event.button() != Qt.MouseButton.LeftButton:
            return
        start, here = event.buttonDownPos(), event.pos()
        if not event.isFinish():
            self.updateScaleBox(start, here)
            return
        self.rbScaleBox.hide()
        a, b = self.mapToView(start), self.mapToView(here)
        (x0, x1), (y0, y1) = sorted((a.x(), b.x())), sorted((a.y(), b.y()))
        self.dragged.emit(x0, x1, y0, y1, _adds(event))

    def mouseClickEvent(self, event: Any) -> None:
        """Select at a point."""
        if event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            point = self.mapToView(event.pos())
            self.clicked.emit(point.x(), point.y(), _adds(event))


class Spots(ScatterPlotItem):
    """Spots that leave clicks to the box."""

    def mouseClickEvent(self, event: Any) -> None:
        """The box takes it."""
        event.ignore()


def _adds(event: Any) -> bool:
    return bool(event.modifiers() & (Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier))
