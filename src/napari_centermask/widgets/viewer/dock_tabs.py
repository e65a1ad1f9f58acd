"""The tabs of our docks, readable also if all of them are open in a narrow window."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, QTimer
from qtpy.QtGui import QIcon, QPalette
from qtpy.QtWidgets import QMainWindow, QTabBar

from napari_centermask.widgets.parts.icons import SIDE, TITLES, dock_icon
from napari_centermask.widgets.parts.theme import CHANGES

_ROOM = 24  # pixels of a tab beside its text: the padding and rim of napari's style, and some to spare
_GAP = 6  # pixels between the icon and the text
_SLIM = f"QTabBar::tab:!selected {{ max-width: {SIDE}px; padding-left: 2px; padding-right: 2px; }}"
"""Tabs as wide as their icon: Qt leaves a text out of which not even the dots would fit. All eleven fit 330 pixels."""


def tabs_of(window: QMainWindow) -> DockTabs:
    """The tabs of a window, made on first use."""
    return window.findChild(DockTabs) or DockTabs(window)


class DockTabs(QObject):
    """Shows icons and names while there is room, then names alone, and then icons, with the name of the dock in front.

    Tab bars beside other plugins' docks, which have no icons, are left as they are.
    """

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self.refresh)

    def refresh_soon(self, *_: object) -> None:
        """Look at the tabs when Qt has laid out the docks."""
        self._later.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, *CHANGES):
            self._later.start()
        return False

    def refresh(self) -> None:
        """Fit all tab bars of our docks."""
        window = self.parent()
        for bar in (bar for bar in window.findChildren(QTabBar) if bar.parent() is window):
            titles = [bar.tabText(n) for n in range(bar.count())]
            bar.removeEventFilter(self)
            if any(title in TITLES for title in titles):
                _fit(bar, titles)
                bar.installEventFilter(self)


def _fit(bar: QTabBar, titles: list[str]) -> None:
    """Fill the tabs with what there is room for."""
    names = sum(bar.fontMetrics().horizontalAdvance(title) + _ROOM for title in titles)
    icons = len(titles) * (SIDE + _GAP)
    are_ours = all(title in TITLES for title in titles)
    is_slim = are_ours and names > bar.width()
    has_icons = are_ours and (is_slim or names + icons <= bar.width())
    colour = bar.palette().color(QPalette.ColorRole.WindowText)
    for n, title in enumerate(titles):
        bar.setTabIcon(n, dock_icon(title, colour) if has_icons else QIcon())
        bar.setTabToolTip(n, title)
    bar.setIconSize(QSize(SIDE, SIDE))
    wanted = _SLIM if is_slim else ""
    if bar.styleSheet() != wanted:
        bar.setStyleSheet(wanted)
