"""Signals that are heard until their owner ends: one place to end what docks and sessions connected."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from qtpy.QtCore import QObject

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
        Ends the connections when Qt deletes it: a slot of a widget whose Qt part is gone must not be called.
    """

    def __init__(self, owner: QObject | None = None) -> None:
        self._links: list[tuple[Emits, Slot]] = []
        self._actions: list[Callable[[], object]] = []
        if owner is not None:
            self._on_destroyed = self._end_with_owner  # one object, that lives as long as this one
            owner.destroyed.connect(self._on_destroyed)
            _OWNED.add(self)

    def add(self, signal: Emits, slot: Slot) -> None:
        """Call `slot` with every emission, and show a `UserError` that it raises, until `end`."""
        gated = guarded(slot)
        signal.connect(gated)
        self._links.append((signal, gated))

    def on_end(self, action: Callable[[], object]) -> None:
        """Do something more when the connections end, for instance cancel a run."""
        self._actions.append(action)

    def _end_with_owner(self) -> None:
        _OWNED.discard(self)
        self.end()

    def end(self) -> None:
        """Disconnect everything; what was connected can be connected again."""
        links, self._links = self._links, []
        actions, self._actions = self._actions, []
        for signal, slot in links:
            with suppress(ValueError, TypeError, RuntimeError):  # it is gone already, or its sender is
                signal.disconnect(slot)
        for action in reversed(actions):
            action()
