"""Changes to the models on disk, and a history to undo them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from napari_centermask.models.store import registry
from napari_centermask.models.store.registry import Deleted

Act = Callable[[], object]
Outcome = Literal["done", "failed", "gone"]


@dataclass(frozen=True)
class Change:
    """A change and its description; `back` undoes it, None if that is not possible."""

    text: str
    act: Act
    back: Act | None = None


def rename(old: str, new: str) -> Change:
    """Give a model another name."""
    act, back = partial(registry.rename_model, old, new), partial(registry.rename_model, new, old)
    return Change(f"Renamed '{old}' to '{new}'.", act, back)


def archive(name: str) -> Change:
    """Archive a model: it is kept but no longer offered."""
    return Change(f"Archived '{name}'.", *_archiving(name))


def bring_back(name: str, deleted: Deleted | None) -> Change:
    """Restore an archived or deleted model."""
    act, back = _archiving(name) if deleted is None else _deleting(deleted)
    return Change(f"Brought back '{name}'.", back, act)


def delete(name: str) -> Change:
    """Delete a model so that it can be restored."""
    return Change(f"Deleted '{name}'.", *_deleting(Deleted(time.time_ns(), name)))


def delete_for_good(deleted: Deleted) -> Change:
    """Remove the files of a deleted model."""
    return Change(f"Deleted '{deleted.name}' for good.", partial(registry.remove_deleted, deleted))


def export(name: str, folder: Path) -> Change:
    """Copy a model's files to a folder."""
    return Change(f"Copied '{name}' to {folder}.", partial(registry.export_model, name, folder))


def _archiving(name: str) -> tuple[Act, Act]:
    return partial(registry.archive_model, name), partial(registry.restore_archived, name)


def _deleting(deleted: Deleted) -> tuple[Act, Act]:
    """Delete a model and restore exactly that one, any number of times."""
    act = partial(registry.delete_model, deleted.name, time_ns=deleted.time_ns)
    return act, partial(registry.restore_deleted, deleted)


class History:
    """The changes that can be undone, the latest last; one is in progress at a time."""

    def __init__(self) -> None:
        self._done: list[Change] = []
        self._doing: Change | None = None
        self._undoing: Change | None = None

    @property
    def last(self) -> str:
        """What Undo would undo; empty for nothing."""
        return self._done[-1].text if self._done else ""

    def begin(self, change: Change) -> None:
        """Start a change."""
        self._doing = change

    def begin_undo(self) -> Change:
        """Start undoing the last change; returns the function that does it."""
        self._undoing = step = self._done.pop()
        assert step.back is not None
        return Change(f"Undone: {step.text}", step.back)

    def end(self, outcome: Outcome) -> None:
        """The change or undo has ended; an undo that failed can be retried, unless what it needs is gone."""
        step = self._doing if outcome == "done" else self._undoing if outcome == "failed" else None
        self._doing = self._undoing = None
        if step is not None and step.back is not None:
            self._done.append(step)

    def clear(self) -> None:
        """Forget all changes."""
        self._done = []
