"""Remove cells, or pixels of cells, that a better cell already covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_centermask.core.instances import Instance, intersection
from napari_centermask.core.neighbours import overlapping_pairs, shared_area


def drop_covered(instances: Sequence[Instance], most: float) -> list[Instance]:
    """Drop each cell that one better cell covers by more than `most` of its area.

    Better is a greater score x mask quality; cells are processed from best to worst, and dropped ones cover nothing. Boxes
    cannot tell overlapping cells from duplicates, masks can. Cells of two categories must cover each other: a
    nucleus inside a cell is not a duplicate of it, but a cell that was found both as live and as dead is.

    Parameters
    ----------
    most
        Fraction of a cell's own area in [0, 1]; 1 keeps all.

    Returns
    -------
    list of Instance
        The remaining cells, in the given order. Time is linear in the number of cells.
    """
    if most >= 1 or len(instances) < 2:
        return list(instances)
    rank = np.argsort([-_quality(i) for i in instances], kind="stable")
    ordered = [instances[k] for k in rank]
    kept = [True] * len(ordered)
    for better, worse in _candidates(ordered, most):
        if kept[better] and kept[worse] and _covers(ordered[better], ordered[worse], most):
            kept[worse] = False
    stay = {int(rank[k]) for k, keep in enumerate(kept) if keep}
    return [instance for k, instance in enumerate(instances) if k in stay]


def _covers(better: Instance, worse: Instance, most: float) -> bool:
    area = worse.area if better.category == worse.category else max(worse.area, better.area)
    return intersection(better, worse) > most * area


def _candidates(ordered: list[Instance], most: float) -> list[tuple[int, int]]:
    """Pairs (better, worse) whose boxes share enough, starting with the best cell."""
    boxes = np.array([i.box for i in ordered], np.float64)
    areas = np.array([i.area for i in ordered])
    i, j = overlapping_pairs(boxes)
    possible = shared_area(boxes[i], boxes[j]) > most * areas[j]
    i, j = i[possible], j[possible]
    order = np.lexsort((j, i))
    return list(zip(i[order].tolist(), j[order].tolist(), strict=True))


def without_overlaps(instances: Sequence[Instance]) -> list[Instance]:
    """Give each pixel that two cells share to the better one; a cell without pixels is removed.

    Returns
    -------
    list of Instance
        In the given order; cells that share nothing are unchanged.

    Examples
    --------
    >>> row = np.ones((1, 3), bool)
    >>> apart = without_overlaps([Instance(1, 0, 0, row, score=0.9), Instance(2, 0, 2, row, score=0.6)])
    >>> [cell.box for cell in apart]
    [(0, 0, 1, 3), (0, 3, 1, 5)]
    """
    cells: list[Instance | None] = list(instances)
    i, j = overlapping_pairs(np.array([c.box for c in instances], np.float64).reshape(-1, 4))
    for a, b in zip(i.tolist(), j.tolist(), strict=True):
        first, second = cells[a], cells[b]
        if first is None or second is None or not intersection(first, second):
            continue
        better, worse, k = (first, second, b) if _quality(first) >= _quality(second) else (second, first, a)
        cells[k] = _minus(worse, better)
    return [cell for cell in cells if cell is not None]


def _quality(cell: Instance) -> float:
    return cell.score * cell.mask_quality


def _minus(cell: Instance, other: Instance) -> Instance | None:
    """A cell without the pixels of another one."""
    mask = cell.mask.copy()
    y0, x0 = max(cell.y0, other.y0), max(cell.x0, other.x0)
    y1, x1 = min(cell.box[2], other.box[2]), min(cell.box[3], other.box[3])
    part = other.mask[y0 - other.y0 : y1 - other.y0, x0 - other.x0 : x1 - other.x0]
    mask[y0 - cell.y0 : y1 - cell.y0, x0 - cell.x0 : x1 - cell.x0] &= ~part
    if not mask.any():
        return None
    tight = Instance.from_mask(mask, (cell.y0, cell.x0))
    return replace(cell, y0=tight.y0, x0=tight.x0, mask=tight.mask)
