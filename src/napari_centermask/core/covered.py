"""Cells that a better cell already covers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_centermask.core.instances import Instance, intersection
from napari_centermask.core.neighbours import overlapping_pairs, shared_area


def drop_covered(instances: Sequence[Instance], most: float) -> list[Instance]:
    """Drop each cell that one better cell of its category covers by more than `most` of its area.

    Better is a greater score x mask quality; cells are judged from best to worst and dropped ones cover nothing. Boxes
    cannot tell overlapping cells from duplicates, masks can.

    Parameters
    ----------
    most
        Part of a cell's own area in [0, 1]; 1 keeps all.

    Returns
    -------
    list of Instance
        Those that stay, in their given order. Time is linear in the number of cells.
    """
    if most >= 1 or len(instances) < 2:
        return list(instances)
    rank = np.argsort([-i.score * i.mask_quality for i in instances], kind="stable")
    ordered = [instances[k] for k in rank]
    kept = [True] * len(ordered)
    for better, worse in _candidates(ordered, most):
        if kept[better] and kept[worse] and intersection(ordered[better], ordered[worse]) > most * ordered[worse].area:
            kept[worse] = False
    stay = {int(rank[k]) for k, keep in enumerate(kept) if keep}
    return [instance for k, instance in enumerate(instances) if k in stay]


def _candidates(ordered: list[Instance], most: float) -> list[tuple[int, int]]:
    """Pairs (better, worse) whose boxes share enough, the best cell's first."""
    boxes = np.array([i.box for i in ordered], np.float64)
    areas = np.array([i.area for i in ordered])
    categories = np.array([i.category for i in ordered])
    i, j = overlapping_pairs(boxes)
    possible = (shared_area(boxes[i], boxes[j]) > most * areas[j]) & (categories[i] == categories[j])
    i, j = i[possible], j[possible]
    order = np.lexsort((j, i))
    return list(zip(i[order].tolist(), j[order].tolist(), strict=True))
