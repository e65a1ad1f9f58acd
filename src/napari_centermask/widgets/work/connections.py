"""Connections to signals, and timers, that end together with the dock or session that made them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from qtpy.QtCore import QObject, QTimer

from napari_centermask.widgets.work.gate import guarded

Slot = Callable[..., object]
_OWNED: set[Connections] = set()
"""Those with an owner that is alive: Python collects an owner and its slots in any order, and Qt would call one that is gone."""


class Emits(Protocol):
    """A signal of psygnal or Qt, or an event of napari."""

    def connect(self, slot: Slot, /) -> object: ...

    def disconnect(self, slot: Slot, /) -> object: ...


class Connections:
    """Connects slots, behind the gate for errors, and disconnects all of them at once.

    Parameters
    ----------
    owner
        Ends the connections when Qt deletes it, because slots of a deleted widget must not be called. Connect signals of the
        owner itself directly: at that moment Qt has ended them, and would warn that there is no such signal.
    """

    def __init__(self, owner: QObject | None = None) -> None:
        self._links: list[tuple[Emits, Slot]] = []
        self._actions: list[Callable[[], object]] = []
        if owner is not None:
            self._on_destroyed = self._end_with_owner  # one object, that lives as long as this one
            owner.destroyed.connect(self._on_destroyed)
            _OWNED.add(self)

    def add(self, signal: Emits, slot: Slot) -> None:
        """Call `slot` with every emission until `end`; a `UserError` that it raises is shown."""
        gated = guarded(slot)
        signal.connect(gated)
        self._links.append((signal, gated))

    def on_end(self, action: Callable[[], object]) -> None:
        """Call a function when the connections end, for instance to cancel a run."""
        self._actions.append(action)

    def _end_with_owner(self) -> None:
        _OWNED.discard(self)
        self.end()

    def end(self) -> None:
        """Disconnect everything; signals can be connected again afterwards."""
        links, self._links = self._links, []
        actions, self._actions = self._actions, []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # PySide6's, where PyQt raises an error
            for signal, slot in links:
                with suppress(ValueError, TypeError, RuntimeError):  # the slot or its sender no longer exists
                    signal.disconnect(slot)
        for action in reversed(actions):
            action()


def single_shot(parent: QObject, interval_ms: int, slot: Callable[[], object]) -> QTimer:
    """A timer of `parent` that calls `slot` once, so long after its last start; a `UserError` is shown, as by `Connections`."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(interval_ms)
    timer.timeout.connect(guarded(slot))
    return timer


def stop_timer(timer: QTimer) -> None:
    """Stop a timer; when the program ends without an event loop, Qt has deleted it before its owner ends."""
    try:
        timer.stop()
    except RuntimeError:  # PyQt and PySide: the C++ object is deleted
        return
