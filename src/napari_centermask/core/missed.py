"""Cells that a model saw too weakly to show, where nothing shown stands in their place."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .columns import covered_part
from .covered import drop_covered
from .instances import Instance
from .neighbours import overlapping_pairs
from .result import Index, Result

MOST_COVERED = 0.5


def missed(result: Result, index: Index) -> list[Instance]:
    """Candidates of a plane below the threshold that could be cells of their own.

    Shown cells cover at most half of each, and so does any better candidate.

    Returns
    -------
    list of Instance
        The most likely first: by score x mask quality.
    """
    plane = list(result.plane(index))
    shown = [i for i in plane if result.shows(i)]
    weak = [i for i in plane if is_candidate(result, i)]
    if not weak:
        return []
    near: list[list[Instance]] = [[] for _ in weak]
    first, second = overlapping_pairs(np.array([i.box for i in (*weak, *shown)]))
    pairs = (first < len(weak)) & (second >= len(weak))
    for a, b in zip(first[pairs].tolist(), second[pairs].tolist(), strict=True):
        near[a].append(shown[b - len(weak)])
    free = [cell for cell, others in zip(weak, near, strict=True) if is_free(cell, others)]
    kept = drop_covered(free, MOST_COVERED)
    return sorted(kept, key=lambda i: -i.score * i.mask_quality)


def is_candidate(result: Result, cell: Instance) -> bool:
    """Whether nobody decided about a cell yet and its score is too low to show it."""
    return cell.status == "predicted" and not result.shows(cell)


def is_free(cell: Instance, shown: Iterable[Instance]) -> bool:
    """Whether shown cells cover at most half of a cell."""
    return covered_part(cell, shown) <= MOST_COVERED
