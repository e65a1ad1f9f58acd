"""Merge annotations into an image that already has cells, without duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.history import Change, RegionChange
from napari_centermask.core.instances import Instance, Instances, boxes_of, intersection
from napari_centermask.core.result import Index, Result
from napari_centermask.core.viability import renamed
from napari_centermask.io.coco.image_record import ImageRecord

DUPLICATE_IOU = 0.8
"""Two outlines of one cell by two people agree better than this; neighbours and overlapping cells do not."""
_OF_PEOPLE = ("accepted", "corrected")


@dataclass(frozen=True)
class Merge:
    """What a merge would change; `core.history.History.do` takes `changes` and `regions` as one edit.

    Attributes
    ----------
    categories
        Of the result and the incoming cells, to be set before the edit.
    added, replaced, duplicates
        New cells; predictions replaced by manual cells; incoming cells that already exist and are left out.
    """

    changes: tuple[Change, ...]
    regions: tuple[RegionChange, ...]
    categories: dict[int, str]
    added: int
    replaced: int
    duplicates: int


def merge_categories(known: dict[int, str], incoming: dict[int, str]) -> tuple[dict[int, str], dict[int, int]]:
    """All categories, and the id of each incoming one here; the same name is the same category."""
    ids = {name.casefold(): id for id, name in reversed(known.items())}
    merged, here = dict(known), {}
    for id, name in incoming.items():
        if name.casefold() not in ids:
            new = id if id not in merged else max(merged) + 1
            merged[new] = name
            ids[name.casefold()] = new
        here[id] = ids[name.casefold()]
    return merged, here


def with_same_categories(records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """The records, with one id for each name of a category where one id has different names in them."""
    names: dict[int, set[str]] = {}
    for record in records:
        for id, name in record.instances.categories.items():
            names.setdefault(id, set()).add(name)
    if all(len(known) == 1 for known in names.values()):
        return list(records)
    categories: dict[int, str] = {}
    places: list[dict[int, int]] = []
    for record in records:
        used = {cell.category for cell in record.instances}
        has_all = any(cell.probabilities for cell in record.instances)
        own = {id: name for id, name in record.instances.categories.items() if id in used or has_all}
        categories, here = merge_categories(categories, own)
        places.append(here)
    return [_with_ids(record, here, categories) for record, here in zip(records, places, strict=True)]


def _with_ids(record: ImageRecord, here: dict[int, int], categories: dict[int, str]) -> ImageRecord:
    cells = [renamed(cell, here, record.instances.categories, categories) for cell in record.instances]
    crowds = tuple(replace(c, category=here.get(c.category, min(categories, default=1))) for c in record.crowds)
    instances = Instances(record.shape, cells, categories=categories or {1: "cell"}, are_checked=True)
    return replace(record, instances=instances, crowds=crowds)


def merge(result: Result, records: Iterable[ImageRecord], *, duplicate_iou: float = DUPLICATE_IOU) -> Merge:
    """The changes that add the records of one image to its result; nothing is changed yet.

    An incoming cell that overlaps a cell of the same plane with an IoU of `duplicate_iou` or more is the same cell. A
    manual one replaces a prediction and takes its id; otherwise the present cell stays.

    Raises
    ------
    BadAnnotations
        If a record is of another size or of a plane that the image does not have.
    """
    plan = _Plan(result, duplicate_iou)
    for record in records:
        plan.add(record)
    return plan.merge()


class _Plan:
    def __init__(self, result: Result, duplicate_iou: float) -> None:
        self.result, self.duplicate_iou = result, duplicate_iou
        self.categories = dict(result.categories)
        self.changes: list[Change] = []
        self.regions: dict[Index, RegionChange] = {}
        self.keep_ids = len(result) == 0 and result.last_id == 0
        self.taken: set[int] = set()
        self.next_id = result.last_id + 1
        self.first_track = max((max(cell.track, cell.parent) for cell in result), default=0)
        self.duplicates = 0

    def add(self, record: ImageRecord) -> None:
        result = self.result
        fits = record.shape == result.shape and len(record.plane) == len(result.leading)
        if not fits or any(i >= n for i, n in zip(record.plane, result.leading, strict=True)):
            raise BadAnnotations(
                f"{record.file_name} has {_size(result.shape, result.leading)}, but its annotations are for "
                f"{_size(record.shape, record.leading)}, plane {list(record.plane)}. Choose the right image."
            )
        self.categories, here = merge_categories(self.categories, record.instances.categories)
        self._cells(record, here)
        before = self.regions[record.plane].before if record.plane in self.regions else result.reviewed(record.plane)
        so_far = self.regions[record.plane].after if record.plane in self.regions else before
        after = tuple(dict.fromkeys((*so_far, *record.reviewed)))
        if after != before:
            self.regions[record.plane] = RegionChange(record.plane, before, after)

    def _cells(self, record: ImageRecord, here: dict[int, int]) -> None:
        there = list(self.result.plane(record.plane))
        boxes = boxes_of(there)
        free = np.ones(len(there), dtype=bool)
        for cell in record.instances:
            cell = self._own_track(renamed(cell, here, record.instances.categories, self.categories))
            twin = _twin(cell, there, boxes, self.duplicate_iou)
            if twin is None:
                self.changes.append(Change(record.plane, id := self._id(cell), None, replace(cell, id=id)))
            elif free[twin] and cell.status in _OF_PEOPLE and there[twin].status == "predicted":
                free[twin] = False
                old = there[twin]
                tracked = old if old.track else cell
                new = replace(cell, id=old.id, track=tracked.track, parent=tracked.parent)
                self.changes.append(Change(record.plane, old.id, old, new))
            else:
                self.duplicates += 1

    def _own_track(self, cell: Instance) -> Instance:
        """The cell with a track that no cell of the result is on."""
        if not (self.first_track and (cell.track or cell.parent)):
            return cell
        track, parent = (n and n + self.first_track for n in (cell.track, cell.parent))
        return replace(cell, track=track, parent=parent)

    def _id(self, cell: Instance) -> int:
        id = cell.id if self.keep_ids and cell.id not in self.taken else self.next_id
        self.taken.add(id)
        self.next_id = max(self.next_id, id + 1)
        return id

    def merge(self) -> Merge:
        added = sum(c.before is None for c in self.changes)
        return Merge(
            tuple(self.changes),
            tuple(self.regions.values()),
            self.categories,
            added,
            len(self.changes) - added,
            self.duplicates,
        )


def _twin(cell: Instance, there: list[Instance], boxes: np.ndarray, least: float) -> int | None:
    """The position of the cell that matches best; None if no IoU is high enough."""
    y0, x0, y1, x1 = cell.box
    near = (boxes[:, 0] < y1) & (boxes[:, 2] > y0) & (boxes[:, 1] < x1) & (boxes[:, 3] > x0)
    best, twin = least, None
    for n in np.flatnonzero(near):
        shared = intersection(cell, there[n])
        iou = shared / (cell.area + there[n].area - shared)
        if iou >= best:
            best, twin = iou, int(n)
    return twin


def _size(shape: tuple[int, int], leading: tuple[int, ...]) -> str:
    return " x ".join(map(str, (*leading, *shape)))
