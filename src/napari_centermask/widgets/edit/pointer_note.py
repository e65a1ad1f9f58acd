"""The name of the tool in hand, beside the pointer on the canvas."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import ref

from qtpy.QtCore import QEvent, QObject, QPoint, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QLabel, QWidget

from napari_centermask.widgets.edit.tool_in_hand import tool_in_hand

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.session import EditSession

_BESIDE = QPoint(16, 14)  # screen pixels from the pointer: a choice, clear of the cross and of a small brush
_STYLE = "background: rgba(20, 20, 24, 170); color: #ffd166; padding: 1px 5px; border-radius: 4px;"


def _point(event: QMouseEvent) -> QPoint:
    """Where the pointer is; Qt 5 and 6 name it differently."""
    return event.position().toPoint() if hasattr(event, "position") else event.pos()


class PointerNote(QObject):
    """Shows the tool in hand while an image is corrected; nothing without a tool."""

    def __init__(self, edits: EditSession) -> None:
        super().__init__()
        self._edits = ref(edits)
        self._canvas: QWidget | None = None
        self.label: QLabel | None = None
        edits.activated.connect(self.start)
        edits.deactivated.connect(self.stop)
        edits.tool_changed.connect(self.refresh)

    def start(self) -> None:
        """Follow the pointer."""
        edits = self._edits()
        window = None if edits is None else getattr(edits.session.viewer, "window", None)
        if window is None or self._canvas is not None:
            return
        self._canvas = window._qt_viewer.canvas.native
        self._canvas.installEventFilter(self)
        self.label = QLabel(self._canvas)
        self.label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.label.setStyleSheet(_STYLE)
        self.label.hide()
        edits.session.viewer.layers.selection.events.active.connect(self.refresh)
        self.refresh()

    def stop(self) -> None:
        """Remove the note."""
        edits, canvas, label = self._edits(), self._canvas, self.label
        self._canvas = self.label = None
        with suppress(RuntimeError):
            if canvas is not None and label is not None:
                canvas.removeEventFilter(self)
                label.hide()
                label.deleteLater()
        if edits is not None and edits.session.viewer is not None:
            edits.session.viewer.layers.selection.events.active.disconnect(self.refresh)

    def refresh(self, *_: object) -> None:
        """Show the tool in hand."""
        edits, label, canvas = self._edits(), self.label, self._canvas
        if edits is None or label is None or canvas is None:
            return
        text = tool_in_hand(edits).label
        with suppress(RuntimeError):  # Qt has deleted the canvas with its window
            label.setText(text)
            label.adjustSize()
            label.setVisible(bool(text) and canvas.underMouse())

    def _place(self, pointer: QPoint, label: QLabel) -> QPoint:
        """Right below the pointer, or to its left where there is no room."""
        x, y = pointer.x() + _BESIDE.x(), pointer.y() + _BESIDE.y()
        if self._canvas is not None and x + label.width() > self._canvas.width():
            x = pointer.x() - _BESIDE.x() - label.width()
        if self._canvas is not None and y + label.height() > self._canvas.height():
            y = pointer.y() - _BESIDE.y() - label.height()
        return QPoint(x, y)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the note beside the pointer; it goes when the pointer leaves the canvas."""
        label = self.label
        if label is not None and isinstance(event, QMouseEvent) and label.text():
            if event.type() == QEvent.Type.MouseMove:
                label.move(self._place(_point(event), label))
                label.show()
        elif label is not None and event.type() == QEvent.Type.Leave:
            label.hide()
        return False
