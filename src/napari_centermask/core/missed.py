"""Cells that a model detected with a low score, where no cell is shown."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from napari_centermask.core.columns import covered_part
from napari_centermask.core.covered import drop_covered
from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.neighbours import overlapping_pairs
from napari_centermask.core.result import Index, Result
from napari_centermask.core.tools.pairs import union

MOST_COVERED = 0.5  # 5 % of annotated overlaps cover more (docs/benchmarks.md, "What annotated cells are like")


def missed(result: Result, index: Index, *, within: Box | None = None) -> list[Instance]:
    """Candidates of a plane below the threshold that could be separate cells.

    At most half of each is covered by shown cells, or by any better candidate.

    Parameters
    ----------
    within
        Only those whose boxes overlap this one; the whole plane by default.

    Returns
    -------
    list of Instance
        The most likely first: by score x mask quality.
    """
    plane: Iterable[Instance] = result.plane(index)
    wanted = [i for i in plane if is_candidate(result, i)]
    if within is not None:
        wanted = [i for i in wanted if _meet(i.box, within)]
    if not wanted:
        return []
    if within is not None:
        around = union(i.box for i in wanted)
        plane = [i for i in plane if _meet(i.box, around)]
    shown = [i for i in plane if result.shows(i)]
    weak = [i for i in plane if is_candidate(result, i)]
    near: list[list[Instance]] = [[] for _ in weak]
    first, second = overlapping_pairs(np.array([i.box for i in (*weak, *shown)]))
    pairs = (first < len(weak)) & (second >= len(weak))
    for a, b in zip(first[pairs].tolist(), second[pairs].tolist(), strict=True):
        near[a].append(shown[b - len(weak)])
    free = [cell for cell, others in zip(weak, near, strict=True) if covered_part(cell, others) <= MOST_COVERED]
    ids = {i.id for i in wanted}
    kept = [i for i in drop_covered(free, MOST_COVERED) if i.id in ids]
    return sorted(kept, key=lambda i: -i.score * i.mask_quality)


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def is_candidate(result: Result, cell: Instance) -> bool:
    """Whether a cell is unreviewed and its score is too low to show it."""
    return cell.status == "predicted" and not result.shows(cell)
