"""Take a model's cells over without touching what a person decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance, Instances, intersection
from napari_centermask.core.regions import contains
from napari_centermask.core.result import Index, Result, centre

_SAME = 0.5


def has_predictions(result: Result) -> bool:
    """Whether a model found cells that nobody judged yet; without them a result's threshold says nothing."""
    return any(cell.status == "predicted" for cell in result)


def replace_predictions(
    result: Result, index: Index, cells: Instances, *, region: Sequence[np.ndarray] | None = None
) -> list[Change]:
    """Changes that put new predictions of a plane in the place of its old ones, for `History.do`.

    Cells that a person accepted, corrected or rejected stay, and new ones that mean the same cell (a mask IoU above 0.5)
    are left out.

    Parameters
    ----------
    cells
        The new cells of the plane, with any ids; they get new ones.
    region
        Polygons, each (n, 2) y, x: only old predictions centred inside give way. All when not given.

    Raises
    ------
    ValueError
        If the cells are of an image of another shape.
    """
    if cells.shape != result.shape:
        raise ValueError(f"Expected cells of a plane of {result.shape}, got {cells.shape}.")
    plane = result.plane(index)
    kept = [i for i in plane if i.status != "predicted"]
    old = [i for i in plane if i.status == "predicted" and (region is None or contains(region, centre(i)))]
    changes = [Change(index, i.id, i, None) for i in old]
    for cell in without_known(cells, kept):
        id = result.new_id()
        changes.append(Change(index, id, None, replace(cell, id=id)))
    return changes


def without_known(cells: Instances, kept: Sequence[Instance]) -> list[Instance]:
    """The cells less those of which a kept one is the same: a mask IoU above 0.5."""
    if not kept:
        return list(cells)
    boxes = np.array([i.box for i in kept])
    areas = [i.area for i in kept]
    return [cell for cell in cells if not _is_known(cell, kept, boxes, areas)]


def _is_known(cell: Instance, kept: Sequence[Instance], boxes: np.ndarray, areas: Sequence[int]) -> bool:
    y0, x0, y1, x1 = cell.box
    near = (boxes[:, 0] < y1) & (boxes[:, 2] > y0) & (boxes[:, 1] < x1) & (boxes[:, 3] > x0)
    for k in np.flatnonzero(near).tolist():
        shared = intersection(cell, kept[k])
        if shared > _SAME * (cell.area + areas[k] - shared):
            return True
    return False
