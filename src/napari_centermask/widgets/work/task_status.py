"""What is running, in napari's list of tasks (napari 0.6.5 and later), which it shows before it closes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_PROVIDER = "CenterMask"


class TaskStatus:
    """One entry of napari's list of tasks, from its start to its end; without effect in versions without such a list.

    Parameters
    ----------
    description
        What is running, as shown to a person: "segmenting field.tif".
    cancel
        Stops it, when a person closes napari all the same; None if it goes on without napari.
    """

    def __init__(self, description: str, cancel: Callable[[], object] | None = None) -> None:
        self._window: Any = _window()
        self._id: Any = None
        if self._window is not None:
            self._id = self._window._register_task_status(_PROVIDER, _status("BUSY"), description, cancel)

    def update(self, description: str) -> None:
        """Say what is going on now."""
        self._set("BUSY", description)

    def end(self, outcome: str = "COMPLETED") -> None:
        """It has ended: "COMPLETED", "CANCELLED" or "FAILED"."""
        self._set(outcome, "")
        self._id = None

    def _set(self, status: str, description: str) -> None:
        if self._id is not None:
            self._window._update_task_status(self._id, _status(status), description)


def _window() -> Any:
    """The window in use, if it has a list of tasks."""
    from napari import current_viewer

    window = getattr(current_viewer(), "window", None)
    return window if hasattr(window, "_register_task_status") else None


def _status(name: str) -> object:
    from napari.utils.task_status import Status

    return Status[name]
