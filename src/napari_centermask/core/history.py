"""The only way to change cells: do, undo and redo, with named edits and without limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from napari_centermask.core.collection import paused_collection
from napari_centermask.core.errors import ReadOnlyProject
from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.result import Index, Result


@dataclass(frozen=True, slots=True)
class Change:
    """One cell of one plane before and after; None where it does not exist."""

    plane: Index
    id: int
    before: Instance | None
    after: Instance | None

    def inverse(self) -> Change:
        """The change that undoes this one."""
        return Change(self.plane, self.id, self.after, self.before)


@dataclass(frozen=True, slots=True)
class RegionChange:
    """The reviewed rectangles of one plane before and after, each (y0, x0, y1, x1)."""

    plane: Index
    before: tuple[Box, ...]
    after: tuple[Box, ...]

    def inverse(self) -> RegionChange:
        """The change that undoes this one."""
        return RegionChange(self.plane, self.after, self.before)


@dataclass(frozen=True, slots=True)
class Edit:
    """One action of the user: all its changes, undone and redone together.

    Attributes
    ----------
    name
        As shown after "Undo": "split of cell 41".
    changes
        In the order in which they are applied; each cell occurs once.
    regions
        Changes of the reviewed rectangles; each plane occurs once.
    """

    name: str
    changes: tuple[Change, ...]
    regions: tuple[RegionChange, ...] = ()

    def inverse(self) -> Edit:
        """The edit that undoes this one."""
        changes = tuple(c.inverse() for c in reversed(self.changes))
        return Edit(self.name, changes, tuple(c.inverse() for c in reversed(self.regions)))


Listener = Callable[[Edit], None]


class History:
    """All edits of a result, which are only applied through this class.

    Parameters
    ----------
    result
        The result to edit.

    Attributes
    ----------
    closed
        Why nothing can be changed, in a sentence for a person; empty if it can. An edit that could not be kept is refused.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_centermask.core.tools import grow, to_changes
    >>> result = Result((9, 9))
    >>> _ = result.set((), 1, Instance(1, 4, 4, np.ones((1, 1), bool)))
    >>> history = History(result)
    >>> _ = history.do("growth of cell 1", to_changes(grow(result.plane(()), [1], 1), (), result))
    >>> result.get((), 1).area, history.undo_name
    (5, 'growth of cell 1')
    >>> _ = history.undo()
    >>> result.get((), 1).area
    1
    """

    def __init__(self, result: Result, *, closed: str = "") -> None:
        self.result, self.closed = result, closed
        self._done: list[Edit] = []
        self._undone: list[Edit] = []
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every edit after it was applied; an undo is passed as the inverse edit."""
        self._listeners.append(listener)

    def ignore(self, listener: Listener) -> None:
        """Stop calling `listener`."""
        self._listeners.remove(listener)

    @paused_collection()
    def do(self, name: str, changes: Sequence[Change] = (), *, regions: Sequence[RegionChange] = ()) -> Edit | None:
        """Apply changes as one edit; return None, and add no entry, if they change nothing.

        Raises
        ------
        ValueError
            If a change does not start from the current state, or its cell does not fit the image. Nothing is applied.
        ReadOnlyProject
            If the history is closed.
        """
        self._check_open()
        kept = tuple(c for c in changes if not _same(c.before, c.after))
        kept_regions = tuple(c for c in regions if c.before != c.after)
        if not kept and not kept_regions:
            return None
        edit = Edit(name, kept, kept_regions)
        self._apply(edit)
        self._done.append(edit)
        self._undone.clear()
        self._tell(edit)
        return edit

    @paused_collection()
    def undo(self) -> Edit | None:
        """Undo the last edit; return the inverse edit, None if there is nothing to undo.

        Raises
        ------
        ReadOnlyProject
            If the history is closed.
        """
        if not self._done:
            return None
        self._check_open()
        edit = self._done.pop()
        self._undone.append(edit)
        inverse = edit.inverse()
        self._apply(inverse)
        self._tell(inverse)
        return inverse

    @paused_collection()
    def redo(self) -> Edit | None:
        """Redo the edit undone last; None if there is nothing to redo. Raises as `undo`."""
        if not self._undone:
            return None
        self._check_open()
        edit = self._undone.pop()
        self._done.append(edit)
        self._apply(edit)
        self._tell(edit)
        return edit

    def _check_open(self) -> None:
        if self.closed:
            raise ReadOnlyProject(self.closed)

    @property
    def undo_name(self) -> str | None:
        """Name of the edit that `undo` would undo."""
        return self._done[-1].name if self._done else None

    @property
    def redo_name(self) -> str | None:
        """Name of the edit that `redo` would redo."""
        return self._undone[-1].name if self._undone else None

    @property
    def categories(self) -> set[int]:
        """Categories of all cells that its edits hold, before or after."""
        changes = (change for edit in (*self._done, *self._undone) for change in edit.changes)
        return {cell.category for c in changes for cell in (c.before, c.after) if cell is not None}

    def _apply(self, edit: Edit) -> None:
        applied: list[Change] = []
        try:
            for region in edit.regions:
                if self.result.reviewed(region.plane) != region.before:
                    raise ValueError(f"The reviewed regions are not as the edit '{edit.name}' expects them.")
                self.result.check_reviewed(region.plane, region.after)
            for change in edit.changes:
                if not _same(self.result.get(change.plane, change.id), change.before):
                    raise ValueError(f"Cell {change.id} is not as the edit '{edit.name}' expects it.")
                self.result.set(change.plane, change.id, change.after)
                applied.append(change)
        except ValueError:
            for change in reversed(applied):
                self.result.set(change.plane, change.id, change.before)
            raise
        for region in edit.regions:
            self.result.set_reviewed(region.plane, region.after)

    def _tell(self, edit: Edit) -> None:
        """Call the listeners, after `undo_name` and `redo_name` were updated."""
        for listener in list(self._listeners):
            listener(edit)


def _same(a: Instance | None, b: Instance | None) -> bool:
    return a is b or (a is not None and b is not None and a.equals(b))
