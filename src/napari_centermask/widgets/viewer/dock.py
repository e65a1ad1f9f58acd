"""The base of all docks: a tab beside the others, and an end that disconnects everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_centermask.widgets.parts.first_hint import FirstHint
from napari_centermask.widgets.parts.layout import put_first
from napari_centermask.widgets.parts.put_away import PUT_AWAY
from napari_centermask.widgets.parts.theme import ThemedStyle
from napari_centermask.widgets.viewer.dock_tabs import tabs_of
from napari_centermask.widgets.viewer.state import state_of, unwrapped
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import attempt

if TYPE_CHECKING:
    from napari.viewer import Viewer


_PLUGIN = "napari-centermask"
_NAME = "centermask-dock"


def open_dock(viewer: Viewer, title: str) -> tuple[QDockWidget, Any]:
    """Open one of our docks, or bring the open one to the front.

    napari knows a dock that was opened from its menu under another name than one that was opened from code, and would open a
    second one.

    Parameters
    ----------
    title
        As in the menu: "Project".
    """
    window = unwrapped(viewer).window
    for frame in window._qt_window.findChildren(QDockWidget):
        inner = frame.widget()
        if isinstance(inner, Dock) and inner.title == title:
            frame.show()
            frame.raise_()
            return frame, inner
    frame, inner = window.add_plugin_dock_widget(_PLUGIN, title)
    return frame, inner


class Dock(QWidget):
    """A view of something that belongs to a viewer and outlives the dock.

    A dock implements `_set_up`, which builds and connects its widgets. The connections in `links` end with the dock, even if it
    could not be built.

    Attributes
    ----------
    title
        Title of its tab.
    hint
        How to begin; it is shown until a person puts it away. Empty for none.
    links
        Connections to signals of objects that outlive the dock.
    """

    title = ""
    hint = ""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = unwrapped(napari_viewer)
        self._state = state_of(napari_viewer)
        self.links = Connections(self)
        ThemedStyle(self)
        share_place(self, self.title, on_left=self.on_left, on_entered=self.on_entered)
        try:
            self._set_up()
            if self.hint:
                self._show_hint()
        except BaseException:
            self.links.end()
            self.deleteLater()
            raise

    def _set_up(self) -> None:
        raise NotImplementedError

    def _show_hint(self) -> None:
        hint = FirstHint(self.title, self.hint)
        put_first(self, hint)
        self.links.add(PUT_AWAY.changed, hint.refresh)

    def on_left(self) -> None:
        """Another tab was chosen, or the dock was closed; does nothing unless a dock needs it."""

    def on_entered(self) -> None:
        """Its tab was chosen, or it was opened; does nothing unless a dock needs it."""


def share_place(
    dock: QWidget,
    title: str,
    *,
    on_left: Callable[[], object] = lambda: None,
    on_entered: Callable[[], object] = lambda: None,
) -> None:
    """Let a dock become a tab beside those of ours that are open when it is first shown, and end when a person closes it.

    If you move it (to another side, or into a window), it stays there. When a dock is closed, napari only deletes the frame
    around it; the hidden dock would keep reacting beside the one opened next.

    Parameters
    ----------
    title
        Title of its tab; napari's own names are too long for six tabs.
    on_left, on_entered
        Called when another tab is chosen, or the dock is closed; and when its own is chosen.
    """
    dock.setObjectName(_NAME)
    _FirstShow(dock, title, on_left, on_entered)


class _FirstShow(QObject):
    """Waits for the first time that the dock is shown, and for its closing."""

    def __init__(
        self, dock: QWidget, title: str, on_left: Callable[[], object], on_entered: Callable[[], object]
    ) -> None:
        super().__init__(dock)
        self._dock, self._title = dock, title
        self._on_left, self._on_entered = on_left, on_entered
        dock.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.Show:
            return False
        frame, window = self._dock.parent(), self._dock.window()
        if isinstance(frame, QDockWidget) and isinstance(window, QMainWindow):
            self._dock.removeEventFilter(self)
            frame.setWindowTitle(self._title)
            frame.destroyed.connect(self._on_frame_gone)
            frame.visibilityChanged.connect(self._on_visibility)
            self._tabs = tabs_of(window)
            frame.visibilityChanged.connect(self._tabs.refresh_soon)
            _join(window, frame)
            self._tabs.refresh_soon()
        return False

    def _on_visibility(self, is_visible: bool) -> None:
        """Qt does not hide a dock behind another tab, so it gets no event."""
        if is_visible:
            attempt(self._on_entered)
        elif not self._dock.window().isMinimized():
            attempt(self._on_left)

    def _on_frame_gone(self) -> None:
        if self._dock.parent() is None:  # else its window goes, and the tabs with it
            self._dock.deleteLater()
            self._tabs.refresh_soon()


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
