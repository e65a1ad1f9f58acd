"""Closing napari during training: keep it running in the background, stop it, or do not close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMainWindow, QMessageBox, QWidget

if TYPE_CHECKING:
    from napari_centermask.widgets.training.session import Training

_NAME = "centermask-close-guard"


def guard(widget: QWidget, training: Training) -> None:
    """Ask when the main window around a widget is closed; installed once per window.

    A floating dock is a window too; closing it does not ask.
    """
    window = widget.parentWidget()
    while window is not None and not isinstance(window, QMainWindow):
        window = window.parentWidget()
    if window is not None and window.findChild(CloseGuard, _NAME) is None:
        CloseGuard(window, training)


class CloseGuard(QObject):
    """Watches a window for its closing."""

    def __init__(self, window: QWidget, training: Training) -> None:
        super().__init__(window)
        self.setObjectName(_NAME)
        self._window, self._training = window, training
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the window close, unless the question was cancelled."""
        if event.type() != QEvent.Type.Close or watched is not self._window or not self._training.live:
            return False
        answer = ask(self._window)
        if answer == "stay":
            event.ignore()
            return True
        self._training.leave_tasks()  # napari would ask again
        if answer == "stop":
            self._training.stop_all()
        return False


def ask(window: QWidget) -> Literal["go on", "stop", "stay"]:
    """Ask what to do with the training."""
    box = QMessageBox(window)
    box.setWindowTitle("CenterMask")
    box.setText("A model is being fine-tuned. Keep the training running or stop it?")
    box.setInformativeText(
        "It can keep running in the background after napari is closed. The Fine-tune dock shows it again."
    )
    on = box.addButton("Keep running", QMessageBox.ButtonRole.AcceptRole)
    stop = box.addButton("Stop, keep the best model", QMessageBox.ButtonRole.DestructiveRole)
    box.addButton("Do not close", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(on)
    box.exec()
    return "go on" if box.clickedButton() is on else "stop" if box.clickedButton() is stop else "stay"
