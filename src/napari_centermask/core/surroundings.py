"""The neighbours of each cell of a plane: how many touch it, how far the nearest is, and how much of it others share."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.columns import covered_part
from napari_centermask.core.instances import Instance, Instances, boxes_of
from napari_centermask.core.neighbours import overlapping_pairs
from napari_centermask.core.result import centre
from napari_centermask.core.tools.pairs import drawn

SURROUNDINGS = ("neighbours", "nearest_centre_px", "overlap")


def surroundings(cells: Instances) -> dict[int, dict[str, float]]:
    """The values of `SURROUNDINGS` for all cells of a plane, by their ids.

    Returns
    -------
    dict
        `neighbours`: how many cells overlap or touch it, at an edge or a corner. `nearest_centre_px`: pixels to the centre of
        the nearest cell; NaN for a single one. `overlap`: the part of the cell that others share, from 0 to 1.
    """
    listed = list(cells)
    near: list[list[Instance]] = [[] for _ in listed]
    touching = np.zeros(len(listed), np.int64)
    boxes = boxes_of(listed) + (-1, -1, 1, 1)
    for a, b in zip(*(side.tolist() for side in overlapping_pairs(boxes)), strict=True):
        if _touch(listed[a], listed[b]):
            touching[[a, b]] += 1
            near[a].append(listed[b])
            near[b].append(listed[a])
    nearest = _nearest(np.array([centre(cell) for cell in listed]))
    shared = (covered_part(cell, others) if others else 0.0 for cell, others in zip(listed, near, strict=True))
    rows = zip(touching.astype(float).tolist(), nearest.tolist(), shared, strict=True)
    return {cell.id: dict(zip(SURROUNDINGS, row, strict=True)) for cell, row in zip(listed, rows, strict=True)}


def _touch(a: Instance, b: Instance) -> bool:
    """Whether two cells share a pixel, or have pixels side by side or corner to corner."""
    if b.mask.size < a.mask.size:
        a, b = b, a
    y0, x0, y1, x1 = a.box
    box = (y0 - 1, x0 - 1, y1 + 1, x1 + 1)
    grown = drawn(a, box)
    grown[1:] |= grown[:-1].copy()
    grown[:-1] |= grown[1:].copy()
    grown[:, 1:] |= grown[:, :-1].copy()
    grown[:, :-1] |= grown[:, 1:].copy()
    return bool((grown & drawn(b, box)).any())


def _nearest(centres: np.ndarray) -> np.ndarray:
    """(N,) the distance to the nearest other point; NaN for a single one."""
    from scipy.spatial import cKDTree

    if len(centres) < 2:
        return np.full(len(centres), np.nan)
    distances, _ = cKDTree(centres).query(centres, k=2)
    return np.asarray(distances)[:, 1]
