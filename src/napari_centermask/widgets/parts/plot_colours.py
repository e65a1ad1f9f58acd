"""Plots in the colours of napari's theme, dark or light, also after it was changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget

from napari_centermask.widgets.parts.theme import CHANGES, readable

if TYPE_CHECKING:
    from pyqtgraph import PlotWidget

_DARKER = (
    150  # percent: enough for the lines and bars of a plot, whose hues are easier to tell apart than as dark as text
)


def text_colour(widget: QWidget) -> QColor:
    """The colour of text in a widget."""
    return widget.palette().color(QPalette.ColorRole.WindowText)


def tone(colour: str | QColor, widget: QWidget) -> QColor:
    """The colour of a line or bar in a widget: as it is on a dark theme, and darker on a light one."""
    return readable(QColor(colour), widget.palette(), darker=_DARKER)


class ThemeColours(QObject):
    """Draws the axes of a plot in the colour of its text, and calls its owner when that changed.

    Parameters
    ----------
    changed
        Called with every change, to draw again what depends on `tone`.
    """

    def __init__(self, plot: PlotWidget, changed: Callable[[], object]) -> None:
        super().__init__(plot)
        self._plot, self._changed = plot, changed
        self._colour = ""
        plot.installEventFilter(self)
        self.refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._plot and event.type() in CHANGES:
            self.refresh()
        return False

    def refresh(self) -> None:
        """Draw the axes again if the colour of text changed."""
        colour = text_colour(self._plot)
        if colour.name() == self._colour:
            return
        self._colour = colour.name()
        for side in ("left", "bottom"):
            axis = self._plot.getPlotItem().getAxis(side)
            axis.setPen(colour)
            axis.setTextPen(colour)
        self._changed()
