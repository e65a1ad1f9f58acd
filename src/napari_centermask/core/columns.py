"""The cells of a result as columns of numbers, for tables, filters and queues; kept up to date edit by edit.

Overlap and shape take longer to measure than the rest and are only measured on request.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import TypeVar

import numpy as np

from napari_centermask.core.collection import paused_collection
from napari_centermask.core.history import Change, Edit
from napari_centermask.core.instances import ASKED, Box, Instance
from napari_centermask.core.neighbours import overlapping_pairs
from napari_centermask.core.result import Index, Result

STATUSES = ("predicted", "accepted", "corrected", "rejected")
PREDICTED, ACCEPTED, CORRECTED, REJECTED = range(4)
_STATUS_NUMBERS = {status: number for number, status in enumerate(STATUSES)}
_FIELDS = [
    ("id", np.int64),
    ("plane", np.int32),
    ("box", np.int64, 4),
    ("category", np.int32),
    ("score", np.float32),
    ("mask_quality", np.float32),
    ("area", np.int64),
    ("status", np.uint8),
    ("source", np.int32),
    ("overlap", np.float32),
    ("solidity", np.float32),
]
# Up to this many cells, neighbours are searched among all boxes; more are paired by trees. Among 5,000 cells 48 take 1 ms one by
# one, and by trees 0.2 ms where they are near each other, 8 ms where they are scattered (scripts/benchmarks/limits.py).
_FEW = 48
_MANY = 200  # changes of an edit from which on all cells of its planes count as neighbours; 200 searches take 5 ms (as above)
# Of the hull. Solidity is off by at most 0.016 for 95 % of annotated nuclei (as above); discs reach 0.98, odd shapes are
# below 0.92.
_DIRECTIONS = 32
_CORNER = attrgetter("y0", "x0")
T = TypeVar("T", bound=Hashable)


class Columns:
    """All candidates of a result, one row each.

    A cell keeps its row number; rows of removed cells are reused.

    Attributes
    ----------
    data
        (rows,) structured array: id (0 in a free row), plane (into `planes`), box (y0, x0, y1, x1), category, score,
        mask_quality, area, status (into `STATUSES`), source (into `sources`), overlap (fraction of the cell that shown
        cells share, NaN until measured), solidity (area over that of the convex hull, NaN until measured).
    planes, sources
        What the numbers refer to.
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        self.planes: list[Index] = []
        self.sources: list[str] = []
        self.reset()

    @paused_collection()
    def reset(self) -> None:
        """Read the whole result again, for instance after a run."""
        found = self.result.placed()
        self.data = np.zeros(max(len(found), 16), _FIELDS)
        self._cells: list[Instance | None] = [None] * len(self.data)
        self._row_of: dict[int, int] = {}
        self._free = list(range(len(self.data) - 1, -1, -1))
        self._threshold = self.result.threshold
        self._followed: tuple[Edit, np.ndarray] | None = None  # the last edit, and its rows
        self._put(found)

    def update(self, edit: Edit) -> np.ndarray:
        """Follow an edit; with several users of the columns, each may call it.

        Returns
        -------
        numpy.ndarray
            (n,) int64, rows that changed: those of its cells, even if they are free now, and of neighbours whose
            overlap must be measured again.
        """
        if self._followed is not None and self._followed[0] is edit:
            return self._followed[1]
        gone = [self._row_of[c.id] for c in edit.changes if c.after is None and c.id in self._row_of]
        self._remove(gone)
        put = self._put([(c.plane, c.after) for c in edit.changes if c.after is not None])
        near = self._near(self._moved(edit))
        self.data["overlap"][near] = np.nan
        rows = np.unique(np.concatenate([np.array(gone, np.int64), put, near]))
        self._followed = edit, rows
        return rows

    def _moved(self, edit: Edit) -> list[tuple[int, Box]]:
        """(plane, box) of what affects the overlap of other cells; of more than `_MANY` in a plane, some."""
        boxes: list[tuple[int, Box]] = []
        planes: dict[Index, int] = {}
        for change in edit.changes:
            index = change.plane
            if (len(boxes) > _MANY and index in planes) or self._looks_as_before(change):
                continue
            if index not in planes:
                planes[index] = _numbers(self.planes, [index])[0]
            boxes += [(planes[index], cell.box) for cell in (change.before, change.after) if cell is not None]
        return boxes

    def _looks_as_before(self, change: Change) -> bool:
        """Whether a change does not affect the overlap of other cells."""
        before, after = change.before, change.after
        if before is None or after is None or before.mask is not after.mask:
            return False
        if before.y0 != after.y0 or before.x0 != after.x0:
            return False
        if before.score == after.score and before.status == after.status:
            return True
        return self.result.shows(before) == self.result.shows(after)

    def _near(self, boxes: list[tuple[int, Box]]) -> np.ndarray:
        """Rows whose boxes overlap one of the (plane, box); for many of them, all rows of their planes."""
        if len(boxes) > _MANY:
            return self.alive()[np.isin(self.data["plane"][self.alive()], list({plane for plane, _ in boxes}))]
        hits = [self._hits(plane, box) for plane, box in boxes]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *hits]))

    def row(self, id: int | None) -> int | None:
        """The row of a cell, None if there is no such cell."""
        return None if id is None else self._row_of.get(id)

    def cell(self, row: int) -> Instance:
        """The cell in a row.

        Raises
        ------
        LookupError
            If the row is free.
        """
        cell = self._cells[row]
        if cell is None:
            raise LookupError(f"Row {row} holds no cell.")
        return cell

    def plane(self, row: int) -> Index:
        """The plane of a row's cell."""
        return self.planes[int(self.data["plane"][row])]

    def meeting(self, index: Index, box: Box) -> np.ndarray:
        """(n,) int64, the rows of a plane whose boxes overlap a box (y0, x0, y1, x1)."""
        return self._hits(self.planes.index(index), box) if index in self.planes else np.zeros(0, np.int64)

    def alive(self) -> np.ndarray:
        """(N,) int64, the rows that hold a cell."""
        return np.flatnonzero(self.data["id"])

    def shown(self) -> np.ndarray:
        """(rows,) bool: whether the row's cell is shown; see `Result.shows`."""
        data = self.data
        kept = (data["status"] == ACCEPTED) | (data["status"] == CORRECTED)
        drafts = [number for number, source in enumerate(self.sources) if source.endswith(ASKED)]
        wanted = (data["score"] >= np.float32(self.result.threshold)) | np.isin(data["source"], drafts)
        good = (data["status"] == PREDICTED) & wanted
        is_shown: np.ndarray = (data["id"] > 0) & (kept | good)
        return is_shown

    def measure(self, rows: np.ndarray | None = None) -> None:
        """Measure missing overlap and solidity, of these rows or of all."""
        self._forget_overlaps_of_another_threshold()
        rows = self.alive() if rows is None else np.asarray(rows)[self.data["id"][rows] > 0]
        for row in rows[np.isnan(self.data["solidity"][rows])]:
            self.data["solidity"][row] = solidity(self.cell(row).mask)
        missing = rows[np.isnan(self.data["overlap"][rows])]
        neighbours = self._pairs(missing) if len(missing) > _FEW else self._seek(missing)
        for row, near in zip(missing.tolist(), neighbours, strict=True):
            self.data["overlap"][row] = covered_part(self.cell(row), map(self.cell, near))

    def measure_some(self, n: int = 100) -> bool:
        """Measure up to n more cells; False if none is left to measure."""
        self._forget_overlaps_of_another_threshold()
        rows = self.alive()
        data = self.data[rows]
        rows = rows[np.isnan(data["overlap"]) | np.isnan(data["solidity"])]
        order = np.lexsort((self.data["box"][rows, 0], self.data["plane"][rows]))  # neighbours together
        self.measure(rows[order[:n]])
        return len(rows) > n

    def _forget_overlaps_of_another_threshold(self) -> None:
        if self._threshold != self.result.threshold:  # other cells are visible now
            self._threshold = self.result.threshold
            self.data["overlap"] = np.nan

    def _put(self, found: Sequence[tuple[Index, Instance]]) -> np.ndarray:
        """Write the rows of cells, new ones or changed ones; returns the rows."""
        cells, n = [cell for _, cell in found], len(found)
        places = [self._row_for(cell.id) for cell in cells]
        rows, before = np.array(places, np.int64), [self._cells[row] for row in places]
        same = np.fromiter((b is not None and b.mask is c.mask for b, c in zip(before, cells, strict=True)), bool, n)
        former, new = self.data[rows], np.zeros(n, _FIELDS)
        for name in ("id", "category", "score", "mask_quality"):
            new[name] = list(map(attrgetter(name), cells))
        corners = np.array(list(map(_CORNER, cells)), np.int64).reshape(-1, 2)
        sizes = np.array([cell.mask.shape for cell in cells], np.int64).reshape(-1, 2)
        new["box"] = np.hstack([corners, corners + sizes])
        still = same & (former["box"][:, :2] == corners).all(axis=1)
        new["plane"] = _numbers(self.planes, [index for index, _ in found])
        new["source"] = _numbers(self.sources, [cell.source for cell in cells])
        new["status"] = [_STATUS_NUMBERS[cell.status] for cell in cells]
        new["area"] = former["area"]
        for k in np.flatnonzero(~same).tolist():
            new["area"][k] = cells[k].area
        new["overlap"], new["solidity"] = (
            np.where(kept, former[name], np.nan) for kept, name in ((still, "overlap"), (same, "solidity"))
        )
        self.data[rows] = new
        for row, cell in zip(places, cells, strict=True):
            self._cells[row] = cell
        return rows

    def _row_for(self, id: int) -> int:
        """The row of a cell, a free one if it has none."""
        row = self._row_of.get(id)
        if row is None:
            if not self._free:
                self._grow()
            row = self._row_of[id] = self._free.pop()
        return row

    def _remove(self, rows: list[int]) -> None:
        """Free some rows."""
        for row, id in zip(rows, self.data["id"][rows].tolist(), strict=True):
            del self._row_of[id]
            self._cells[row] = None
        self.data[rows] = np.zeros((), _FIELDS)
        self._free += rows

    def _grow(self) -> None:
        n = len(self.data)
        self.data = np.concatenate([self.data, np.zeros(n, _FIELDS)])
        self._cells += [None] * n
        self._free = list(range(2 * n - 1, n - 1, -1))

    def _hits(self, plane: int, box: Iterable[int]) -> np.ndarray:
        """Rows of a plane whose boxes overlap a box."""
        y0, x0, y1, x1 = box
        boxes = self.data["box"]
        near = (boxes[:, 0] < y1) & (boxes[:, 2] > y0) & (boxes[:, 1] < x1) & (boxes[:, 3] > x0)
        return np.flatnonzero(near & (self.data["plane"] == plane) & (self.data["id"] > 0))

    def _seek(self, rows: np.ndarray) -> list[list[int]]:
        """The shown cells whose boxes overlap each row's box, row by row."""
        shown = self.shown() if len(rows) else np.zeros(0, bool)
        hits = (self._hits(self.data["plane"][row], self.data["box"][row]) for row in rows)
        return [near[shown[near] & (near != row)].tolist() for row, near in zip(rows, hits, strict=True)]

    def _pairs(self, rows: np.ndarray) -> list[list[int]]:
        """The same, for many rows at once."""
        shown = self.shown()
        near: dict[int, list[int]] = {int(row): [] for row in rows}
        for plane in np.unique(self.data["plane"][rows]):
            y0, _, y1, _ = self.data["box"][rows[self.data["plane"][rows] == plane]].T
            members = self._hits(plane, (y0.min(), 0, y1.max(), self.result.shape[1]))
            i, j = (members[k] for k in overlapping_pairs(self.data["box"][members]))
            for a, b in chain(zip(i.tolist(), j.tolist(), strict=True), zip(j.tolist(), i.tolist(), strict=True)):
                if shown[b] and a in near:
                    near[a].append(b)
        return list(near.values())


def _numbers(names: list[T], wanted: Sequence[T]) -> list[int]:
    """The place of each name in a list, at whose end new ones are put."""
    places = {name: number for number, name in enumerate(names)}
    for name in dict.fromkeys(wanted):
        if name not in places:
            places[name] = len(names)
            names.append(name)
    return [places[name] for name in wanted]


def covered_part(cell: Instance, others: Iterable[Instance]) -> float:
    """The fraction of a cell's pixels that other cells share, in [0, 1]."""
    shared = np.zeros_like(cell.mask)
    y0, x0, y1, x1 = cell.box
    for other in others:
        top, left = max(y0, other.y0), max(x0, other.x0)
        low, right = min(y1, other.box[2]), min(x1, other.box[3])
        if top < low and left < right:
            part = other.mask[top - other.y0 : low - other.y0, left - other.x0 : right - other.x0]
            shared[top - y0 : low - y0, left - x0 : right - x0] |= part
    return float(np.count_nonzero(shared & cell.mask) / np.count_nonzero(cell.mask))


def _fan(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, 2), and the matrix (n, n) from extents in these directions to the sides of their polygon."""
    turn = 2 * np.pi / n
    vectors = np.stack([np.sin(turn * np.arange(n)), np.cos(turn * np.arange(n))])
    eye = np.eye(n)
    sides = (np.roll(eye, 1, axis=0) + np.roll(eye, -1, axis=0) - 2 * np.cos(turn) * eye) / np.sin(turn)
    return vectors.T.copy(), sides


_VECTORS, _SIDES = _fan(_DIRECTIONS)


def solidity(mask: np.ndarray) -> float:
    """Area over that of the convex hull: 1 for convex cells, low for odd shapes and holes.

    The hull is the polygon of 32 directions around the centres of the pixels; digital discs of any size reach 0.98.

    Parameters
    ----------
    mask
        (h, w) bool, at least one pixel.
    """
    height, width = mask.shape
    points = np.empty((2, 2, height))
    points[0] = np.arange(height)
    points[1, 0] = mask.argmax(axis=1)
    points[1, 1] = width - 1 - mask[:, ::-1].argmax(axis=1)
    full = mask.any(axis=1)
    outline = points[:, :, full] if not full.all() else points
    reach = (_VECTORS @ outline.reshape(2, -1)).max(axis=1)
    area = np.count_nonzero(mask)
    return float(area / max(0.5 * reach @ _SIDES @ reach, area))
