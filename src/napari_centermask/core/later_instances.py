"""Cells that stay where they were read from, for more images than fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from napari_centermask.core.instances import Box, Instance, Instances


class LaterInstances(Instances):
    """Cells that are read whenever they are asked for; those read last stay until others are read, and edited ones for good.

    Parameters
    ----------
    cells
        All of them, read once before; only what is said about them is kept: shape, categories, number and statuses.
    read
        Reads them again, always the same ones. It can be pickled if the cells are to be.
    """

    _last: ClassVar[tuple[LaterInstances, Instances] | None] = None

    def __init__(self, cells: Instances, read: Callable[[], Instances]) -> None:
        self.shape, self.categories = cells.shape, dict(cells.categories)
        self._read, self._n, self._next, self._statuses = read, len(cells), cells.next_id, cells.statuses
        self._edited: Instances | None = None

    def _there(self) -> Instances:
        if self._edited is not None:
            return self._edited
        last = LaterInstances._last
        if last is None or last[0] is not self:
            last = LaterInstances._last = self, self._read()
        return last[1]

    @property
    def _by_id(self) -> dict[int, Instance]:  # type: ignore[override]
        return self._there()._by_id

    def __len__(self) -> int:
        return self._n if self._edited is None else len(self._edited)

    @property
    def next_id(self) -> int:
        """As in `Instances`."""
        return self._next if self._edited is None else self._edited.next_id

    @property
    def statuses(self) -> frozenset[str]:
        """As in `Instances`."""
        return self._statuses if self._edited is None else self._edited.statuses

    def with_categories(self, categories: dict[int, str]) -> Instances:
        """As in `Instances`; the cells stay where they are."""
        if self._edited is not None:
            return self._edited.with_categories(categories)
        same = LaterInstances(self, self._read)  # which reads nothing: all that it keeps is known
        same.categories = dict(categories or {1: "cell"})
        return same

    def add(self, instance: Instance, *, is_checked: bool = False) -> Instance:
        """As in `Instances`; from now on, the cells are in memory."""
        self._edited = self._there()
        return self._edited.add(instance, is_checked=is_checked)

    def set(self, id: int, instance: Instance | None) -> Instance | None:
        """As in `Instances`; from now on, the cells are in memory."""
        self._edited = self._there()
        return self._edited.set(id, instance)

    def meeting(self, box: Box) -> list[Instance]:
        """As in `Instances`."""
        return self._there().meeting(box)
