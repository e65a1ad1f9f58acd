"""Merge the cells of an image whose tiles come row by row: each is passed on as soon as nothing further down can change it.

`core.tiles.merge` and `core.covered` decide about all cells of an image at once. What they decide about a cell depends only on
those that it is linked with, by shared pixels, and tiles further down find nothing above their upper edge. So each step takes the
groups of linked cells that end above that line, decides about them as those functions do, and keeps the others. Only what lies
across the line stays in memory, and the cells are those that all tiles together would have given.

A line is a y: nothing that is still to come has a pixel above it. Each step hands on a line of its own, above all that it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_centermask.core.covered import drop_covered, without_overlaps
from napari_centermask.core.instances import Box, Instance, intersection
from napari_centermask.core.neighbours import overlapping_pairs
from napari_centermask.core.tiles import Piece, merge_agreeing, same_cell

Key = tuple[int, int]
"""(pass, number of the first piece in it): the order in which an image in memory has its cells."""


@dataclass(frozen=True)
class Waiting:
    """A cell, or what one tile saw of it, about which is not decided yet.

    Attributes
    ----------
    key
        See `Key`.
    cell
        In pixels of the whole plane.
    seen, cut
        As in `core.tiles.Piece`; None for a cell that is merged.
    is_passed_on
        Whether it is kept for its neighbours only, which lose pixels to it.
    """

    key: Key
    cell: Instance
    seen: Box | None = None
    cut: bool = False
    is_passed_on: bool = False


Settled = tuple[list[Waiting], list[Waiting]]
"""What is passed on, and what stays; both in the order of their keys."""


def line_above(waiting: Sequence[Waiting], line: int) -> int:
    """The line that holds for those who get what a step passes on."""
    return min([line, *(w.cell.y0 for w in waiting if not w.is_passed_on)])


def settle_pieces(waiting: Sequence[Waiting], line: int) -> Settled:
    """Merge the pieces of cells that end above a line; see `core.tiles.merge`."""
    pieces = [Piece(w.cell, w.seen or w.cell.box, w.cut) for w in waiting]
    pairs = same_cell(pieces)
    ready = _end_above(waiting, pairs, line)
    numbers = {k: n for n, k in enumerate(np.flatnonzero(ready).tolist())}
    inside = [(numbers[i], numbers[j]) for i, j in pairs if i in numbers]
    chosen = list(numbers)
    merged = merge_agreeing([pieces[k] for k in chosen], inside)
    return [Waiting(waiting[chosen[n]].key, cell) for n, cell in merged], _others(waiting, ready)


def settle_covered(waiting: Sequence[Waiting], line: int, *, most: float) -> Settled:
    """Drop the cells that a better one covers; see `core.covered.drop_covered`."""
    ordered = sorted(waiting, key=lambda w: w.key)
    pairs = [] if most >= 1 else _sharing(ordered, lambda a, b, shared: shared > most * _least_area(a, b))
    ready = _end_above(ordered, pairs, line)
    chosen = [replace(ordered[k].cell, id=k + 1) for k in np.flatnonzero(ready).tolist()]
    kept = {cell.id - 1 for cell in drop_covered(chosen, most)}
    return [w for k, w in enumerate(ordered) if k in kept], _others(ordered, ready)


def _least_area(a: Instance, b: Instance) -> int:
    """Of which a part must be shared for one of two cells to cover the other, whichever is better."""
    return min(a.area, b.area) if a.category == b.category else max(a.area, b.area)


def settle_overlaps(waiting: Sequence[Waiting], line: int) -> Settled:
    """Give each pixel to the best of its cells; see `core.covered.without_overlaps`.

    A pixel goes to the best cell that has it, whatever becomes of that cell's others. So a cell is passed on once it ends above
    the line, and stays as it was for those that do not and share pixels with it.
    """
    ordered = sorted(waiting, key=lambda w: w.key)
    apart = {c.id - 1: c for c in without_overlaps([replace(w.cell, id=k + 1) for k, w in enumerate(ordered)])}
    ready = [not w.is_passed_on and w.cell.box[2] <= line for w in ordered]
    passed = [replace(w, cell=apart[k]) for k, w in enumerate(ordered) if ready[k] and k in apart]
    open_ = [not w.is_passed_on and not ready[k] for k, w in enumerate(ordered)]
    i, j = overlapping_pairs(_boxes(ordered))
    near = {*i[np.asarray(open_, bool)[j]].tolist(), *j[np.asarray(open_, bool)[i]].tolist()} if len(i) else set()
    kept = [w if open_[k] else replace(w, is_passed_on=True) for k, w in enumerate(ordered) if open_[k] or k in near]
    return passed, kept


def settle_order(waiting: Sequence[Waiting], line: int) -> Settled:
    """Pass on, from top to bottom, the cells that nothing can come before."""
    ordered = sorted(waiting, key=lambda w: (w.cell.y0, w.cell.x0, w.key))
    return [w for w in ordered if w.cell.y0 < line], [w for w in ordered if w.cell.y0 >= line]


def _end_above(waiting: Sequence[Waiting], pairs: Sequence[tuple[int, int]], line: int) -> np.ndarray:
    """(N,) bool: whether a cell and all that it is linked with end above the line."""
    n = len(waiting)
    if not n:
        return np.zeros(0, bool)
    i, j = np.array(pairs, np.int64).reshape(-1, 2).T
    groups = connected_components(coo_array((np.ones(len(i), bool), (i, j)), shape=(n, n)), directed=False)[1]
    lowest = np.zeros(n, np.int64)
    np.maximum.at(lowest, groups, [w.cell.box[2] for w in waiting])
    ends: np.ndarray = lowest[groups] <= line
    return ends


def _sharing(waiting: Sequence[Waiting], is_link: Callable[[Instance, Instance, int], bool]) -> list[tuple[int, int]]:
    """Pairs of cells that share pixels, as many as `is_link` asks for."""
    i, j = overlapping_pairs(_boxes(waiting))
    cells = [w.cell for w in waiting]
    pairs = zip(i.tolist(), j.tolist(), strict=True)
    return [(a, b) for a, b in pairs if (n := intersection(cells[a], cells[b])) and is_link(cells[a], cells[b], n)]


def _boxes(waiting: Sequence[Waiting]) -> np.ndarray:
    return np.array([w.cell.box for w in waiting], np.float64).reshape(-1, 4)


def _others(waiting: Sequence[Waiting], ready: np.ndarray) -> list[Waiting]:
    return [w for w, is_ready in zip(waiting, ready.tolist(), strict=True) if not is_ready]
