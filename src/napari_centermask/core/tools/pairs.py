"""Shared by all tools: pairs of before and after, windows around cells, neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from napari_centermask.core.history import Change
from napari_centermask.core.instances import Box, Instance, Instances
from napari_centermask.core.result import Index, Result

Pair = tuple[Instance | None, Instance | None]
Shows = Callable[[Instance], bool]


def to_changes(pairs: Sequence[Pair], plane: Index, result: Result) -> list[Change]:
    """Changes for `History.do`; new cells get ids that were never used."""
    changes = []
    for before, after in pairs:
        if before is not None:
            changes.append(Change(plane, before.id, before, after))
        elif after is not None:
            id = result.new_id()
            changes.append(Change(plane, id, None, replace(after, id=id)))
    return changes


def not_rejected(instance: Instance) -> bool:
    """Whether a cell counts as present; `Result.shows` also considers the score."""
    return instance.status != "rejected"


def cut(mask: np.ndarray, origin: tuple[int, int], shape: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]] | None:
    """The tight crop (a view) of a window's foreground inside the image, and its origin; None if nothing is left."""
    low = max(0, -int(origin[0])), max(0, -int(origin[1]))
    mask = np.asarray(mask, bool)[low[0] : max(0, shape[0] - origin[0]), low[1] : max(0, shape[1] - origin[1])]
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    mask = mask[rows[0] : rows[-1] + 1]
    columns = np.flatnonzero(mask.any(axis=0))
    crop = mask[:, columns[0] : columns[-1] + 1]
    return crop, (int(origin[0]) + low[0] + int(rows[0]), int(origin[1]) + low[1] + int(columns[0]))


def reshaped(instance: Instance, mask: np.ndarray, origin: tuple[int, int]) -> Instance | None:
    """The cell with another shape and status "corrected"; None if the mask is empty, itself if nothing changes.

    The mask must be inside the image.
    """
    cropped = cut(mask, origin, (origin[0] + mask.shape[0], origin[1] + mask.shape[1]))
    if cropped is None:
        return None
    crop, (y0, x0) = cropped
    if (y0, x0) == (instance.y0, instance.x0) and np.array_equal(crop, instance.mask):
        return instance
    return replace(instance, y0=y0, x0=x0, mask=crop.copy(), status="corrected")


def pairs_of(before: Iterable[Instance], now: dict[int, Instance | None]) -> list[Pair]:
    """Pairs of the cells that have changed."""
    return [(b, now[b.id]) for b in before if now[b.id] is not b]


def around(box: Box, margin: int, shape: tuple[int, int]) -> Box:
    """A box widened by `margin` pixels and cut to the image."""
    y0, x0, y1, x1 = box
    return max(0, y0 - margin), max(0, x0 - margin), min(shape[0], y1 + margin), min(shape[1], x1 + margin)


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around boxes."""
    y0, x0, y1, x1 = zip(*boxes, strict=True)
    return min(y0), min(x0), max(y1), max(x1)


def drawn(instance: Instance, box: Box) -> np.ndarray:
    """(h, w) bool, the part of the cell in the box."""
    canvas = np.zeros((box[2] - box[0], box[3] - box[1]), bool)
    y0, x0, y1, x1 = instance.box
    top, left, bottom, right = max(y0, box[0]), max(x0, box[1]), min(y1, box[2]), min(x1, box[3])
    if top < bottom and left < right:
        part = instance.mask[top - y0 : bottom - y0, left - x0 : right - x0]
        canvas[top - box[0] : bottom - box[0], left - box[1] : right - box[1]] = part
    return canvas


def neighbours(cells: Instances, box: Box, shows: Shows) -> list[Instance]:
    """Cells that are shown and whose box overlaps `box`."""
    return [cell for cell in cells.meeting(box) if shows(cell)]


def without(instance: Instance, mask: np.ndarray, box: Box) -> Instance | None:
    """The cell without the pixels of a mask that fills `box`."""
    own = instance.box
    taken = Instance(0, box[0], box[1], mask)
    return reshaped(instance, instance.mask & ~drawn(taken, own), own[:2])


def chosen(cells: Instances, ids: Iterable[int]) -> list[Instance]:
    """Cells by their ids, each once.

    Raises
    ------
    KeyError
        If the plane has no such cell.
    """
    return [cells[id] for id in dict.fromkeys(ids)]
