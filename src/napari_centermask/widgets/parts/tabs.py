"""Our docks share one place as tabs: one below another, as napari opens them, none has room."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

_NAME = "centermask-dock"


def share_place(dock: QWidget, title: str) -> None:
    """Let a dock become a tab beside those of ours that are open when it is first shown, and end when a person closes it.

    Where a person put it (another side, a window of its own) it stays. When it is closed napari deletes only the frame that
    it put around the dock; a dock that lived on unseen would answer beside the one that is opened next.

    Parameters
    ----------
    title
        Of its tab; napari's own names are too long for six of them.
    """
    dock.setObjectName(_NAME)
    _FirstShow(dock, title)


class _FirstShow(QObject):
    """Waits for the dock to get its place, once, and to lose it."""

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
    """Put a frame on top of the first of ours on the same side."""
    area = window.dockWidgetArea(frame)
    for other in window.findChildren(QDockWidget):
        inner = other.widget()
        is_ours = other is not frame and inner is not None and inner.objectName() == _NAME
        if is_ours and not other.isFloating() and not other.isHidden() and window.dockWidgetArea(other) == area:
            if other not in window.tabifiedDockWidgets(frame):
                window.tabifyDockWidget(other, frame)
            frame.raise_()
            return
