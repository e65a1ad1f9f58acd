"""Plots in the colours of napari's theme, dark or light, also after it was changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from pyqtgraph import PlotWidget

_DARKER = 150  # percent: bright colours are seen on white, too
_CHANGES = (QEvent.Type.StyleChange, QEvent.Type.PaletteChange, QEvent.Type.Show)


def text_colour(widget: QWidget) -> QColor:
    """The colour of text in a widget."""
    return widget.palette().color(QPalette.ColorRole.WindowText)


def is_light(widget: QWidget) -> bool:
    """Whether the theme is light: its text is dark."""
    return text_colour(widget).lightness() < 128


def tone(colour: str | QColor, widget: QWidget) -> QColor:
    """A bright colour as it is on a dark theme, and darker on a light one."""
    return QColor(colour).darker(_DARKER) if is_light(widget) else QColor(colour)


class ThemeColours(QObject):
    """Draws the axes of a plot in the colour of its text, and tells its owner when that changed.

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
        if watched is self._plot and event.type() in _CHANGES:
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
