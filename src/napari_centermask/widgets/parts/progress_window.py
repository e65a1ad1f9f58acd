"""A window with a progress bar and Cancel, for work on a project that must not go on beside other edits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QProgressDialog, QWidget

from napari_centermask.core.errors import Cancelled
from napari_centermask.core.progress import Advance

_AFTER = 0.6  # seconds; shorter work shows the pointer alone: a choice
_EVERY = 0.05  # seconds between two looks at the window: a choice


@contextmanager
def progress_window(title: str, parent: QWidget | None = None) -> Iterator[Advance]:
    """Show the progress of work in the GUI thread, if it takes longer than a moment; nothing else can be done meanwhile.

    What this yields takes how many items are done, and of how many.

    Raises
    ------
    Cancelled
        From what this yields, once Cancel was pressed.
    """
    window: QProgressDialog | None = None
    look_at = time.monotonic() + _AFTER

    def advance(done: int, total: int) -> None:
        nonlocal window, look_at
        if time.monotonic() < look_at:
            return
        look_at = time.monotonic() + _EVERY
        window = window or _window(title, parent)
        window.setMaximum(max(total, 1))
        window.setValue(done)
        if window.wasCanceled():
            raise Cancelled(f"{title} was cancelled. Nothing was changed.")

    QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
    try:
        yield advance
    finally:
        QApplication.restoreOverrideCursor()
        if window is not None:
            window.close()
            window.deleteLater()


def _window(title: str, parent: QWidget | None) -> QProgressDialog:
    window = QProgressDialog(f"{title}…", "Cancel", 0, 0, parent)
    window.setWindowTitle(title)
    window.setWindowModality(Qt.WindowModality.ApplicationModal)
    window.setMinimumDuration(0)
    window.setAutoReset(False)
    return window
