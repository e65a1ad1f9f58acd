"""The cells of an image as cropped masks that may overlap.

A label image holds one value per pixel and destroys overlaps; `Instances` keeps every cell whole.
Label images, outlines and planes are views, made in `core.compose`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Box = tuple[int, int, int, int]
ASKED = (" by box", " by click")
"""Ends of the source of a cell that a model drew where a person asked for one."""
_COMPARED = (
    *("id", "y0", "x0", "category", "score", "mask_quality", "status", "source", "order", "probabilities"),
    *("track", "parent"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One cell: a tight boolean crop and its position.

    Attributes
    ----------
    id
        Positive; unique in its `Instances` and never reused after removal.
    y0, x0
        Image position of the crop's upper left pixel. May only be inside the image.
    mask
        (h, w) bool; at least one pixel true; no empty border rows or columns.
    category
        COCO category id, 1 or more.
    score
        Confidence in [0, 1]; 1.0 for cells drawn by hand.
    mask_quality
        Predicted mask IoU in [0, 1]; 1.0 for cells drawn by hand.
    status
        "predicted", "accepted", "corrected" or "rejected".
    source
        Its origin: a model's name, "manual", or the file it was read from; "nuclei by box" for a draft.
    order
        Stacking order in views; higher is on top.
    probabilities
        Probability of each category in the order of the ids, summing to 1; empty if there are none.
    track
        Which cell it is through time and depth: cells of other planes with this number are the same one; 0 if that is not
        known. See `core.tracks`.
    parent
        The track that divided into this one; 0 if there is none.
    """

    id: int
    y0: int
    x0: int
    mask: np.ndarray
    category: int = 1
    score: float = 1.0
    mask_quality: float = 1.0
    status: str = "predicted"
    source: str = ""
    order: float = 0.0
    probabilities: tuple[float, ...] = ()
    track: int = 0
    parent: int = 0
    _area: int = field(default=0, init=False, repr=False)  # once it was counted

    @classmethod
    def from_mask(cls, mask: np.ndarray, origin: tuple[int, int] = (0, 0), *, id: int = 0, **fields: Any) -> Instance:
        """Crop a boolean mask to its foreground.

        Parameters
        ----------
        mask
            (h, w) bool, a whole image or any window of it.
        origin
            (y, x) of the window's first pixel in the image.

        Raises
        ------
        ValueError
            If the mask has no foreground pixel.

        Examples
        --------
        >>> mask = np.zeros((6, 6), bool)
        >>> mask[1:4, 2:5] = True
        >>> cell = Instance.from_mask(mask, id=1)
        >>> cell.box, cell.area
        ((1, 2, 4, 5), 9)
        """
        mask = np.asarray(mask, dtype=bool)
        rows = np.flatnonzero(mask.any(axis=1))
        if rows.size == 0:
            raise ValueError("The mask is empty; an instance needs at least one pixel.")
        cols = np.flatnonzero(mask.any(axis=0))
        crop = mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].copy()
        return cls(id=id, y0=int(origin[0] + rows[0]), x0=int(origin[1] + cols[0]), mask=crop, **fields)

    @property
    def box(self) -> Box:
        """(y0, x0, y1, x1), half-open."""
        return self.y0, self.x0, self.y0 + self.mask.shape[0], self.x0 + self.mask.shape[1]

    @property
    def is_draft(self) -> bool:
        """Whether a model drew it where a person asked for a cell, and nobody has judged it yet.

        It is shown whatever its score, and a run leaves it there.
        """
        return self.status == "predicted" and self.source.endswith(ASKED)

    @property
    def area(self) -> int:
        """Number of pixels."""
        if not self._area:
            object.__setattr__(self, "_area", int(np.count_nonzero(self.mask)))
        return self._area

    @property
    def diameter(self) -> float:
        """Diameter in pixels of the disk of equal area."""
        return float(2.0 * np.sqrt(self.area / np.pi))

    def equals(self, other: Instance) -> bool:
        """Same id, fields and pixels."""
        same_mask = self.mask is other.mask or np.array_equal(self.mask, other.mask)
        return same_mask and all(getattr(self, f) == getattr(other, f) for f in _COMPARED)


def intersection(a: Instance, b: Instance) -> int:
    """Number of pixels that two instances share.

    Examples
    --------
    >>> square = np.ones((3, 3), bool)
    >>> intersection(Instance(1, 0, 0, square), Instance(2, 1, 2, square))
    2
    """
    y0, x0 = max(a.y0, b.y0), max(a.x0, b.x0)
    y1, x1 = min(a.box[2], b.box[2]), min(a.box[3], b.box[3])
    if y0 >= y1 or x0 >= x1:
        return 0
    part_a = a.mask[y0 - a.y0 : y1 - a.y0, x0 - a.x0 : x1 - a.x0]
    part_b = b.mask[y0 - b.y0 : y1 - b.y0, x0 - b.x0 : x1 - b.x0]
    return int(np.count_nonzero(part_a & part_b))


def boxes_of(cells: Sequence[Instance]) -> np.ndarray:
    """(N, 4) int64 (y0, x0, y1, x1), half-open."""
    return np.array([cell.box for cell in cells], dtype=np.int64).reshape(-1, 4)


def at_border(boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(N,) bool: which of (N, 4) boxes (y0, x0, y1, x1) reach the border of an image of (H, W) pixels; it may cut their cells."""
    return np.asarray((boxes[:, :2] <= 0).any(axis=1) | (boxes[:, 2:] >= shape).any(axis=1))


def diameters(areas: np.ndarray) -> np.ndarray:
    """(N,) float64, diameter in pixels of the disk of each area."""
    return np.asarray(2.0 * np.sqrt(areas / np.pi))


def typical_diameter(boxes: np.ndarray, areas: np.ndarray, shape: tuple[int, int]) -> float:
    """Median diameter in pixels of the cells that do not touch the border, or of all if those are fewer than three.

    Parameters
    ----------
    boxes
        (N, 4) int (y0, x0, y1, x1), at least one.
    areas
        (N,) pixels of each cell.
    shape
        (H, W) of the image.
    """
    whole = ~at_border(boxes, shape)
    return float(np.median(diameters(areas[whole] if whole.sum() >= 3 else areas)))


class Instances:
    """All cells of one image plane, by id.

    Parameters
    ----------
    shape
        (H, W) of the image plane.
    instances
        Cells to add; those with id 0 get the next free id.
    categories
        COCO category id -> name.
    are_checked
        Whether the cells come from `Instances` of this shape, so that they need no second check.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        instances: Iterable[Instance] = (),
        *,
        categories: dict[int, str] | None = None,
        are_checked: bool = False,
    ) -> None:
        self.shape = (int(shape[0]), int(shape[1]))
        self.categories = dict(categories or {1: "cell"})
        self._by_id: dict[int, Instance] = {}
        self._next_id = 1
        self._boxes: _Boxes | None = None
        if are_checked:
            self._by_id = {instance.id: instance for instance in instances}
            self._next_id = max(self._by_id, default=0) + 1
            return
        for instance in instances:
            self.add(instance)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Instance]:
        return iter(self._by_id.values())

    def __contains__(self, id: int) -> bool:
        return id in self._by_id

    def __getitem__(self, id: int) -> Instance:
        return self._by_id[id]

    @property
    def ids(self) -> list[int]:
        """Ids in the order of insertion."""
        return list(self._by_id)

    @property
    def statuses(self) -> frozenset[str]:
        """The statuses that its cells have."""
        return frozenset(cell.status for cell in self)

    @property
    def diameter(self) -> float | None:
        """Median diameter in pixels of the cells that do not touch the border (of all if there are few); None without cells."""
        if not self._by_id:
            return None
        return typical_diameter(np.array([c.box for c in self]), np.array([c.area for c in self]), self.shape)

    @property
    def next_id(self) -> int:
        """The id of the next new cell; larger than any id ever used."""
        return self._next_id

    def add(self, instance: Instance, *, is_checked: bool = False) -> Instance:
        """Add a cell and return it as stored.

        An id of 0 is replaced by the next free one. `is_checked` says that the mask is tight and inside the image.

        Raises
        ------
        ValueError
            If the id is taken, the mask is empty, or the cell leaves the image.
        """
        if instance.id == 0:
            instance = replace(instance, id=self._next_id)
        if instance.id in self._by_id:
            raise ValueError(f"Instance id {instance.id} is already taken.")
        if not is_checked:
            self._check(instance)
        self._by_id[instance.id] = instance
        if self._boxes is not None:
            self._boxes.set(instance.id, instance)
        self._next_id = max(self._next_id, instance.id + 1)
        return instance

    def set(self, id: int, instance: Instance | None) -> Instance | None:
        """Replace cell `id` with `instance`, or remove it with None; return the previous cell.

        This is the only basic edit: setting the returned value undoes it.
        """
        before = self._by_id.get(id)
        if instance is None:
            self._by_id.pop(id, None)
            if self._boxes is not None:
                self._boxes.set(id, None)
            return before
        if instance.id != id:
            raise ValueError(f"Expected an instance with id {id}, got {instance.id}.")
        if before is None or before.mask is not instance.mask or before.box != instance.box:
            self._check(instance)
        self._by_id[id] = instance
        if self._boxes is not None:
            self._boxes.set(id, instance)
        self._next_id = max(self._next_id, id + 1)
        return before

    def meeting(self, box: Box) -> list[Instance]:
        """Cells whose boxes overlap a box (y0, x0, y1, x1), in the order of insertion."""
        if self._boxes is None:
            self._boxes = _Boxes(self)
        return [self._by_id[id] for id in self._boxes.meeting(box)]

    def _check(self, instance: Instance) -> None:
        y0, x0, y1, x1 = instance.box
        if instance.mask.dtype != bool or not instance.area:
            raise ValueError("An instance needs a boolean mask with at least one pixel.")
        if y0 < 0 or x0 < 0 or y1 > self.shape[0] or x1 > self.shape[1]:
            raise ValueError(f"Instance box {instance.box} leaves the image of shape {self.shape}.")

    def with_categories(self, categories: dict[int, str]) -> Instances:
        """The same cells with other names of the categories."""
        return Instances(self.shape, self, categories=categories, are_checked=True)

    def filter(self, *, min_score: float = 0.0, categories: Iterable[int] | None = None) -> Instances:
        """Cells with at least `min_score` (and of `categories`), same ids."""
        wanted = None if categories is None else set(categories)
        kept = (i for i in self if i.score >= min_score and (wanted is None or i.category in wanted))
        return Instances(self.shape, kept, categories=self.categories, are_checked=True)

    def equals(self, other: Instances) -> bool:
        """Same shape, ids, fields and pixels."""
        return self.shape == other.shape and self.ids == other.ids and all(i.equals(other[i.id]) for i in self)


class _Boxes:
    """The boxes of cells as arrays, to find neighbours among 50,000 cells in a tenth of a millisecond."""

    def __init__(self, cells: Iterable[Instance]) -> None:
        rows = list(cells)
        self._row_of = {cell.id: row for row, cell in enumerate(rows)}
        self._used = len(rows)
        self._ids = np.zeros(max(16, 2 * self._used), np.int64)
        self._boxes = np.zeros((4, len(self._ids)), np.int32)  # y0, x0, y1, x1; those of rows without a cell are empty
        self._ids[: self._used] = [cell.id for cell in rows]
        if rows:
            self._boxes[:, : self._used] = np.array([cell.box for cell in rows]).T

    def set(self, id: int, cell: Instance | None) -> None:
        """Follow `Instances.set`: a cell keeps its row, new ones are appended."""
        if cell is None:
            row = self._row_of.pop(id, None)
            if row is not None:
                self._boxes[:, row] = 0
            return
        row = self._row_of.get(id)
        if row is None:
            if self._used == len(self._ids):
                self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
                self._boxes = np.concatenate([self._boxes, np.zeros_like(self._boxes)], axis=1)
            row = self._row_of[id] = self._used
            self._used += 1
            self._ids[row] = id
        self._boxes[:, row] = cell.box

    def meeting(self, box: Box) -> list[int]:
        """Ids of the cells whose boxes overlap a box."""
        y0, x0, y1, x1 = self._boxes[:, : self._used]
        hits = (y0 < box[2]) & (y1 > max(box[0], 0)) & (x0 < box[3]) & (x1 > max(box[1], 0))
        ids: list[int] = self._ids[: self._used][hits].tolist()
        return ids
