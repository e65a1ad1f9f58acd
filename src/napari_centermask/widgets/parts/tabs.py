"""Our docks share one place as tabs: stacked, as napari opens them, none would have enough room."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

_NAME = "centermask-dock"


def share_place(dock: QWidget, title: str) -> None:
    """Let a dock become a tab beside those of ours that are open when it is first shown, and end when a person closes it.

    If you move it (to another side, or into a window), it stays there. When a dock is closed, napari only deletes the frame
    around it; the hidden dock would keep reacting beside the one opened next.

    Parameters
    ----------
    title
        Title of its tab; napari's own names are too long for six tabs.
    """
    dock.setObjectName(_NAME)
    _FirstShow(dock, title)


class _FirstShow(QObject):
    """Waits for the first time that the dock is shown, and for its closing."""

    def __init__(self, dock: QWidget, title: str) -> None:
        super().__init__(dock)
        self._dock, self._title = dock, title
        dock.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.Show:
            return False
        frame, window = self._dock.parent(), self._dock.window()
        if isinstance(frame, QDockWidget) and isinstance(window, QMainWindow):
            self._dock.removeEventFilter(self)
            frame.setWindowTitle(self._title)
            frame.destroyed.connect(self._on_frame_gone)
            _join(window, frame)
        return False

    def _on_frame_gone(self) -> None:
        if self._dock.parent() is None:
            self._dock.deleteLater()


def _join(window: QMainWindow, frame: QDockWidget) -> None:
    """Tabify a frame with the first of ours on the same side."""
    area = window.dockWidgetArea(frame)
    for other in window.findChildren(QDockWidget):
        inner = other.widget()
        is_ours = other is not frame and inner is not None and inner.objectName() == _NAME
        if is_ours and not other.isFloating() and not other.isHidden() and window.dockWidgetArea(other) == area:
            if other not in window.tabifiedDockWidgets(frame):
                window.tabifyDockWidget(other, frame)
            frame.raise_()
            return
