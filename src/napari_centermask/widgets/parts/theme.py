"""The style of our docks, readable in napari's dark and light themes, also after the theme was changed."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget

from napari_centermask.widgets.work.connections import single_shot

_STYLE = """
QLabel#heading { font-weight: 600; padding: 4px 0 2px 0; border-bottom: 1px solid rgba(128, 128, 128, 90); }
QPushButton#primary { background-color: #2f6fde; color: white; font-weight: 600; padding: 6px 10px; }
QPushButton#primary:hover { background-color: #4a86ee; }
QPushButton#primary:disabled { background-color: rgba(128, 128, 128, 60); color: QUIET; }
QToolButton { border-radius: 4px; padding: 2px 6px; }
QLabel#quiet { color: QUIET; }
QProgressBar { max-height: 8px; min-height: 8px; border-radius: 4px; text-align: center; }
QProgressBar::chunk { border-radius: 4px; background-color: #2f6fde; }
"""
_QUIET = ("#9a9ca0", "#5f6166")  # on dark and on light: a contrast of more than 4.5, as WCAG 2 wants for text
ON_COLOUR = "color: #f0f1f2;"
"""Style of a text on our dark red, green or brown, which the themes share."""
_DARKER = 180  # percent, for words: WCAG 2 wants a contrast of 4.5 of them, and 3 of lines and bars
CHANGES = (QEvent.Type.StyleChange, QEvent.Type.PaletteChange, QEvent.Type.Show)
"""Events after which a widget may be in another theme."""


def is_light(palette: QPalette) -> bool:
    """Whether the theme is light: its text is dark."""
    return palette.color(QPalette.ColorRole.WindowText).lightness() < 128


def readable(colour: QColor, palette: QPalette, *, darker: int = _DARKER) -> QColor:
    """A bright colour, by default for text: as it is on a dark theme, and darker, in percent, on a light one."""
    return colour.darker(darker) if is_light(palette) else colour


def quiet(palette: QPalette) -> str:
    """The dimmed colour of words, "#rrggbb"."""
    return _QUIET[is_light(palette)]


def style(palette: QPalette) -> str:
    """The style sheet of a dock."""
    return _STYLE.replace("QUIET", quiet(palette))


class ThemedStyle(QObject):
    """Gives a widget our style, and again when napari's theme changes.

    Qt takes a style sheet off before it puts the next one on, and has the palette of neither in between: so the palette is only
    read when that is over.
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._later = single_shot(self, 0, self._refresh)
        self._refresh()
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in CHANGES:
            self._later.start()
        return False

    def _refresh(self) -> None:
        widget = self.parent()  # kept in an attribute, it would keep a dialog alive
        assert isinstance(widget, QWidget)
        wanted = style(widget.palette())
        if wanted != widget.styleSheet():
            widget.setStyleSheet(wanted)
