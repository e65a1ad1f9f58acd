"""The cells of an image for training, packed: of those that do not fit into memory, a tile reads its own from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import overload

import numpy as np

from napari_centermask.core.array import Array
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.instances import boxes_of as boxes_of_all
from napari_centermask.core.later_instances import LaterInstances
from napari_centermask.training.data.image_store import ImageStore, opened

_OBJECT = 500
"""Bytes that a cell takes in memory beside its mask: 424 with CPython 3.11, rounded up."""


@dataclass(frozen=True)
class PackedCells(Sequence[Instance]):
    """Cells in their order; each is made anew from the file, with its category and mask.

    Attributes
    ----------
    table
        (N, 7) int64: box (y0, x0, y1, x1), category, area, and where its bits end.
    bits
        (B,) uint8: the masks row by row, eight pixels a byte, each from a new byte on.
    """

    table: Array
    bits: Array

    def __len__(self) -> int:
        return int(self.table.shape[0])

    @overload
    def __getitem__(self, n: int) -> Instance: ...
    @overload
    def __getitem__(self, n: slice) -> Sequence[Instance]: ...
    def __getitem__(self, n: int | slice) -> Instance | Sequence[Instance]:
        if isinstance(n, slice):
            return [self[k] for k in range(*n.indices(len(self)))]
        if not 0 <= n < len(self):
            raise IndexError(n)
        return self.some([n])[0]

    def __iter__(self) -> Iterator[Instance]:
        return iter(self.some(range(len(self))))

    def some(self, numbers: Iterable[int]) -> list[Instance]:
        """Cells by their places in the order."""
        table, bits, cells = opened(self.table), opened(self.bits), []
        for n in numbers:
            y0, x0, y1, x1, category, _, end = table[n].tolist()
            height, width = y1 - y0, x1 - x0
            packed = bits[end - (height * width + 7) // 8 : end]
            mask = np.unpackbits(packed, count=height * width).reshape(height, width).view(bool)
            cells.append(Instance(n + 1, y0, x0, mask, category=category))
        return cells

    @property
    def boxes(self) -> np.ndarray:
        """(N, 4) int64 (y0, x0, y1, x1), half-open."""
        return np.asarray(self.table[:, :4])

    @property
    def categories(self) -> np.ndarray:
        """(N,) int64, COCO category id of each cell."""
        return np.asarray(self.table[:, 4])

    @property
    def areas(self) -> np.ndarray:
        """(N,) int64, pixels of each cell."""
        return np.asarray(self.table[:, 5])


def some(cells: Sequence[Instance], numbers: Iterable[int]) -> list[Instance]:
    """Cells by their places in the order."""
    return cells.some(numbers) if isinstance(cells, PackedCells) else [cells[n] for n in numbers]


def boxes_of(cells: Sequence[Instance]) -> np.ndarray:
    """(N, 4) int64 (y0, x0, y1, x1), half-open."""
    if isinstance(cells, PackedCells):
        return cells.boxes
    return boxes_of_all(cells)


def categories_of(cells: Sequence[Instance]) -> np.ndarray:
    """(N,) int64, COCO category id of each cell."""
    return cells.categories if isinstance(cells, PackedCells) else np.array([c.category for c in cells], dtype=np.int64)


def areas_of(cells: Sequence[Instance]) -> np.ndarray:
    """(N,) int64, pixels of each cell."""
    return cells.areas if isinstance(cells, PackedCells) else np.array([c.area for c in cells], dtype=np.int64)


def size_of(cells: Iterable[Instance]) -> int:
    """Bytes that cells take in memory."""
    return sum(_OBJECT + cell.mask.nbytes for cell in cells)


def packed(cells: Sequence[Instance], store: ImageStore) -> PackedCells:
    """The cells where the store keeps them."""
    bits = [np.packbits(cell.mask) for cell in cells]
    ends = np.cumsum([len(b) for b in bits], dtype=np.int64)
    rows = [(*cell.box, cell.category, cell.area, end) for cell, end in zip(cells, ends.tolist(), strict=True)]
    table = np.array(rows, np.int64).reshape(-1, 7)
    flat = np.concatenate(bits) if bits else np.zeros(0, np.uint8)
    source = hashlib.sha256(table.tobytes() + flat.tobytes()).hexdigest()
    return PackedCells(store.keep(table, f"cells {source}"), store.keep(flat, f"masks {source}"))


def instances_of(cells: PackedCells, like: Instances) -> Instances:
    """Packed cells as the `Instances` that they were packed from, read when they are asked for; only masks and categories are."""
    return LaterInstances(like, partial(_unpacked, cells, like.shape, like.categories))


def _unpacked(cells: PackedCells, shape: tuple[int, int], categories: dict[int, str]) -> Instances:
    return Instances(shape, cells, categories=categories, are_checked=True)
