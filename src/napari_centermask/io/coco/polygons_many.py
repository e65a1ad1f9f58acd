"""The polygons of many annotations drawn at once: the same as `masks.rasterise` for one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import TypeGuard

import numpy as np

from napari_centermask.io import rle_many
from napari_centermask.io.fill_many import united
from napari_centermask.io.rle import Crop

_LONGEST_SIDE = 1 << 12  # pixels; larger cells are drawn alone
_MOST_STEPS = 1 << 20  # points of a cell times the sides of its box: a bound of its outline

Parts = list[list[float]]


def are_plain(segmentation: object) -> TypeGuard[Parts]:
    """Whether a segmentation looks like lists of x, y, x, y, ... of three points or more; the values are not looked at."""
    return (
        type(segmentation) is list
        and len(segmentation) > 0
        and all(type(part) is list and len(part) >= 6 and len(part) % 2 == 0 for part in segmentation)
    )


def draw(cells: Sequence[Parts], shapes: Sequence[tuple[int, int]]) -> list[Crop | None]:
    """The tight crops of polygons in images of these (H, W), the parts of each united.

    Returns None for cells that are empty, damaged, very large or reach the border of their image: they need more care.
    """
    crops: list[Crop | None] = [None] * len(cells)
    try:
        points = np.array(list(chain.from_iterable(chain.from_iterable(cells))), np.float64)
    except (TypeError, ValueError, OverflowError):
        return crops
    if points.ndim != 1 or not len(points):
        return crops
    points = points.reshape(-1, 2)
    per_cell = np.array([len(parts) for parts in cells])
    sizes = np.array([len(part) // 2 for parts in cells for part in parts])
    ends = np.cumsum(sizes)
    own = np.add.reduceat(sizes, np.cumsum(per_cell) - per_cell)
    starts = np.cumsum(own) - own
    low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    with np.errstate(invalid="ignore"):  # what is not finite is not fine
        sides = np.ceil(high) - np.floor(low) + 1
        inside = (low >= 0) & (np.ceil(high) < np.array(shapes)[:, ::-1]) & (sides <= _LONGEST_SIDE)
        is_fine = inside.all(axis=1) & (own * sides.sum(axis=1) <= _MOST_STEPS)
    low = np.floor(np.where(is_fine[:, None], low, 0))
    local = points - np.repeat(low, own, axis=0)
    is_drawn = np.repeat(is_fine, per_cell).tolist()
    bounds = zip((ends - sizes).tolist(), ends.tolist(), is_drawn, strict=True)
    parts = [local[start:end].ravel() for start, end, is_part in bounds if is_part]
    window = (sides[is_fine].max(axis=0).astype(int) if parts else np.ones(2, int)).tolist()
    drawn = iter(_drawn(parts, (window[1], window[0])))
    left_top = low.astype(int).tolist()
    for k in np.flatnonzero(is_fine).tolist():
        crop = united([c for c in islice(drawn, len(cells[k])) if c is not None])
        if crop is not None:
            crops[k] = crop[0] + left_top[k][1], crop[1] + left_top[k][0], crop[2]
    return crops


def _drawn(parts: list[np.ndarray], window: tuple[int, int]) -> list[Crop | None]:
    from pycocotools import mask as coco_mask

    if not parts:
        return []
    texts = [drawn["counts"].decode("ascii") for drawn in coco_mask.frPyObjects(parts, *window)]
    return rle_many.decode(texts, [window] * len(texts)) or [None] * len(texts)
