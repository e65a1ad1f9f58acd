"""A person at napari: real mouse and key events on the canvas, in menus, on buttons and in dialogs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QFileDialog,
    QLineEdit,
    QProgressDialog,
    QPushButton,
    QScrollArea,
    QTabBar,
    QWidget,
)

NO_KEY = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


class Hands:
    """Mouse and keys on the canvas; positions are pixels of the plane in view.

    Attributes
    ----------
    edits
        The correction whose image is meant.
    """

    def __init__(self, viewer: Any, edits: Any = None) -> None:
        self.viewer, self.edits = viewer, edits
        self.canvas = viewer.window._qt_viewer.canvas
        self.native = self.canvas.native
        self.viewer.window.activate()
        self.native.setFocus()
        viewer.reset_view()
        QTest.qWait(50)

    def at(self, y: float, x: float) -> QPoint:
        """Where a pixel of the plane lies on the canvas."""
        wy, wx = self.edits.active.layer.data_to_world((y, x))
        px, py = self.canvas.view.scene.transform.map([wx, wy, 0, 1])[:2]
        return QPoint(round(px), round(py))

    def press_drag(self, points: list[tuple[float, float]], *, button=LEFT, modifier=NO_KEY) -> None:
        """Press at the first point, move over the others, release."""
        first, *rest = [self.at(*p) for p in points]
        QTest.mouseMove(self.native, first)
        QTest.mousePress(self.native, button, modifier, first)
        for p in rest:
            self.move(p, button, modifier)
        QTest.mouseRelease(self.native, button, modifier, (rest or [first])[-1])
        QTest.qWait(20)

    def move(self, point: QPoint, button=Qt.MouseButton.NoButton, modifier=NO_KEY) -> None:
        """Move the mouse, with a button down or not."""
        where = QPointF(point)
        event = QMouseEvent(QEvent.Type.MouseMove, where, on_screen(self.native, where), button, button, modifier)
        QTest.qWait(15)  # vispy leaves out moves in quick succession
        QApplication.sendEvent(self.native, event)

    def click(self, y: float, x: float, *, modifier=NO_KEY) -> None:
        """Click a pixel."""
        self.press_drag([(y, x)], modifier=modifier)

    def double_click(self, y: float, x: float) -> None:
        """Click a pixel twice."""
        QTest.mouseDClick(self.native, LEFT, NO_KEY, self.at(y, x))
        QTest.qWait(20)

    def wheel(self, y: float, x: float, steps: int) -> None:
        """Turn the wheel over a pixel; away from oneself zooms in."""
        for _ in range(abs(steps)):
            where = QPointF(self.at(y, x))
            turn = QPoint(0, 120 if steps > 0 else -120)
            scroll = QWheelEvent(
                where,
                on_screen(self.native, where),
                QPoint(),
                turn,
                Qt.MouseButton.NoButton,
                NO_KEY,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            QApplication.sendEvent(self.native, scroll)
            QTest.qWait(20)

    def key(self, key: str, modifier=NO_KEY) -> None:
        """Press a key with the focus on the canvas."""
        QTest.keyClick(self.native, getattr(Qt.Key, f"Key_{key}"), modifier)
        QTest.qWait(10)

    def choose(self, *texts: str) -> None:
        """Click through a menu of the window, entry by entry; again where a message of napari closed the menu."""
        for left in (2, 1, 0):
            try:
                self._choose(texts)
                return
            except MenuClosed:
                if not left:
                    raise
                while (open_menu := QApplication.activePopupWidget()) is not None:
                    open_menu.close()

    def _choose(self, texts: tuple[str, ...]) -> None:
        holder = self.viewer.window._qt_window.menuBar()
        for text in texts:
            own = text, f"{text} (CenterMask)"
            action = next(a for a in holder.actions() if a.text().replace("&", "") in own)
            if not is_seen(holder):
                raise MenuClosed(f"the menu of '{text}' cannot be seen")
            press(holder, at=holder.actionGeometry(action).center())
            holder = action.menu()
            end = time.monotonic() + 2
            while holder is not None and not is_seen(holder) and time.monotonic() < end:
                QTest.qWait(20)


class MenuClosed(AssertionError):
    """A menu went away before its entry was clicked."""


def until(condition: Callable[[], Any], *, seconds: float = 400, what: str = "") -> None:
    """Turn the event loop until something holds.

    Raises
    ------
    AssertionError
        If it does not in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain{': ' + what if what else ''}"
        QTest.qWait(30)


def on_screen(widget: QWidget, where: QPointF) -> QPointF:
    """Where a point of a widget lies on the screen; Qt 5 maps whole pixels only."""
    return QPointF(widget.mapToGlobal(where.toPoint()))


def press(widget: QWidget, *, at: QPoint | None = None) -> None:
    """Click on a widget that can be seen and used; a low dock is scrolled first."""
    bring_into_view(widget)
    assert widget.isEnabled(), f"'{_text(widget)}' is disabled: {widget.toolTip()}"
    end = time.monotonic() + 30  # what was opened above it may not be laid out yet
    while not is_seen(widget):
        assert time.monotonic() < end, f"'{_text(widget)}' cannot be seen"
        bring_into_view(widget)
    QTest.mouseMove(widget, at or QPoint())
    QTest.mouseClick(widget, LEFT, NO_KEY, at or widget.rect().center())
    QTest.qWait(20)


def is_seen(widget: QWidget) -> bool:
    """Whether a part of a widget is on the screen; Qt keeps docks behind other tabs "visible", far outside."""
    return widget.isVisible() and not widget.visibleRegion().isEmpty()


def _text(widget: QWidget) -> str:
    return widget.text() if hasattr(widget, "text") else type(widget).__name__


def bring_into_view(widget: QWidget) -> None:
    """Scroll to a widget."""
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            parent.ensureWidgetVisible(widget)
        parent = parent.parentWidget()
    QTest.qWait(20)


def pick_tab(bar: QTabBar, title: str) -> None:
    """Click on a tab."""
    index = next(i for i in range(bar.count()) if bar.tabText(i) == title)
    press(bar, at=bar.tabRect(index).center())


def write(widget: QWidget, text: str) -> None:
    """Type into a line or a spin box in place of what is there."""
    bring_into_view(widget)
    widget.setFocus()
    QTest.keyClick(widget, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(widget, text)
    QTest.keyClick(widget, Qt.Key.Key_Return)
    QTest.qWait(20)


def answer(act: Callable[[QDialog], None]) -> None:
    """Do something with the dialog that opens next, once it is there; one that is still open is not meant."""
    before = QApplication.activeModalWidget()

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        if dialog in (None, before) or not dialog.isVisible() or isinstance(dialog, QProgressDialog):
            QTimer.singleShot(50, look)
        else:
            act(dialog)

    QTimer.singleShot(50, look)


def type_path(path: Path) -> Callable[[QDialog], None]:
    """An answer to a dialog that asks for a folder or a file."""

    def act(dialog: QDialog) -> None:
        assert isinstance(dialog, QFileDialog)
        line = dialog.findChild(QLineEdit, "fileNameEdit")
        write(line, str(path))

    return act


def press_titled(title: str) -> Callable[[QDialog], None]:
    """An answer to a question: press the button of this title."""

    def act(dialog: QDialog) -> None:
        press(next(b for b in dialog.findChildren(QPushButton) if b.text().replace("&", "") == title))

    return act
