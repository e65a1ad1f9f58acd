"""Ending a timer, whichever goes first: its owner or Qt."""

from __future__ import annotations

from qtpy.QtCore import QTimer


def stop(timer: QTimer) -> None:
    """Stop a timer; when the program ends without an event loop, Qt has deleted it before its owner ends."""
    try:
        timer.stop()
    except RuntimeError:  # PyQt and PySide: the C++ object is deleted
        return
