"""Apply a model's predictions without changing what the user decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_centermask.core.collection import paused_collection
from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance, Instances, intersection
from napari_centermask.core.regions import contains
from napari_centermask.core.result import Index, Result, centre

_SAME = 0.5  # IoU: above one half, no cell is the same as two others


def has_predictions(result: Result) -> bool:
    """Whether there are unreviewed predictions of a run; without them, the threshold of a result has no effect."""
    return any(cell.status == "predicted" and not cell.is_draft for cell in result)


@paused_collection()
def replace_predictions(
    result: Result, index: Index, cells: Instances, *, region: Sequence[np.ndarray] | None = None
) -> list[Change]:
    """Changes that replace the predictions of a plane with new ones, for `History.do`.

    Accepted, corrected and rejected cells and drafts are kept, and predictions of the same cell (a mask IoU above 0.5)
    are left out.

    Parameters
    ----------
    cells
        The new cells of the plane, with any ids; they get new ids.
    region
        Polygons, each (n, 2) y, x: only old predictions centred inside are replaced. By default all.

    Raises
    ------
    ValueError
        If the cells are of an image of another shape.
    """
    if cells.shape != result.shape:
        raise ValueError(f"Expected cells of a plane of {result.shape}, got {cells.shape}.")
    plane = result.plane(index)
    kept = [i for i in plane if i.status != "predicted" or i.is_draft]
    new = [i for i in plane if i.status == "predicted" and not i.is_draft]
    old = [i for i in new if region is None or contains(region, centre(i))]
    changes = [Change(index, i.id, i, None) for i in old]
    for cell in without_known(cells, kept):
        id = result.new_id()
        changes.append(Change(index, id, None, replace(cell, id=id)))
    return changes


def clear_predictions(result: Result) -> list[Change]:
    """Changes that remove all predicted cells of an image, for `History.do`; decided cells and drafts are kept."""
    return [
        Change(index, cell.id, cell, None)
        for index, plane in result.planes.items()
        for cell in plane
        if cell.status == "predicted" and not cell.is_draft
    ]


def without_known(cells: Instances, kept: Sequence[Instance]) -> list[Instance]:
    """The cells without those that match a kept one: a mask IoU above 0.5."""
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
