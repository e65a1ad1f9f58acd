"""The icons of the docks, in the colour of the theme's text."""

from __future__ import annotations

from qtpy.QtCore import QByteArray, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtSvg import QSvgRenderer

SIDE = 16  # pixels of an icon, as high as the text beside it
_DENSE = 3  # pixels of the picture per pixel: sharp on every screen
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{colour}" stroke-width="2" '
    'stroke-linecap="round" stroke-linejoin="round"><path d="{path}"/></svg>'
)
_PATHS = {
    "Segment": "M9 3a6 6 0 1 0 .01 0z M16.500 12a4.500 4.500 0 1 0 .01 0z",
    "Correct": "M4 20l1-5L16 4l4 4L9 19z M13 7l4 4",
    "Review": "M4 4h16v16H4z M8 12l3 3l5-6",
    "Project": "M3 5h6l2 3h10v11H3z",
    "Measure": "M4 3v17h17 M9 16v-4 M14 16V7 M19 16v-7",
    "Viability": "M12 20C4 14 3 11 3 8.500a4.500 4.500 0 0 1 9-1a4.500 4.500 0 0 1 9 1C21 11 20 14 12 20z",
    "Tracks": "M5 17a2 2 0 1 0 .01 0z M12 8a2 2 0 1 0 .01 0z M19 3a2 2 0 1 0 .01 0z M6.500 17.500L11 12 M14 9L17.500 6.500",
    "Fine-tune": "M4 7h9 M17 7h3 M15 5v4 M4 12h2 M10 12h10 M8 10v4 M4 17h7 M15 17h5 M13 15v4",
    "Models": "M12 3l8 4.500v9L12 21l-8-4.500v-9z M4 7.500l8 4.500l8-4.500 M12 12v9",
    "Compress": "M12 3v6 M9 6l3 3l3-3 M12 21v-6 M9 18l3-3l3 3 M4 12h16",
    "Export": "M12 15V4 M8 8l4-4l4 4 M5 13v7h14v-7",
}
"""What is drawn for the dock of a title, on a field of 24 x 24."""
TITLES = tuple(_PATHS)


def dock_icon(title: str, colour: QColor) -> QIcon:
    """The icon of the dock of this title."""
    pixels = QPixmap(SIDE * _DENSE, SIDE * _DENSE)
    pixels.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixels)
    svg = _SVG.format(colour=colour.name(), path=_PATHS[title])
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, SIDE * _DENSE, SIDE * _DENSE))
    painter.end()
    pixels.setDevicePixelRatio(_DENSE)
    return QIcon(pixels)
