"""Slices of a z stack joined to 3-D cells, by the overlap of their masks."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Instance, intersection
from napari_centermask.core.neighbours import near_pairs
from napari_centermask.core.result import Index, Result
from napari_centermask.core.tracks import Key, Way
from napari_centermask.pipeline.progress import Progress
from napari_centermask.pipeline.tracking.assignment import best_pairs
from napari_centermask.pipeline.tracking.things import Snapshot, snapshot
from napari_centermask.settings import StitchSettings


@dataclass(frozen=True)
class Joined:
    """What joining slices found.

    Attributes
    ----------
    tracks
        Number of the 3-D cell of each cell, and 0 as its parent, by its plane and id.
    n_cells
        Number of 3-D cells.
    n_gaps
        Number of slices that were passed over.
    """

    tracks: dict[Key, tuple[int, int]]
    n_cells: int
    n_gaps: int


def join_slices(
    result: Result, settings: StitchSettings, *, way: Way, first: int = 1
) -> Generator[Progress, None, Joined]:
    """Find which cells of neighbouring slices are one; each moment by itself, where the image has a time axis.

    Parameters
    ----------
    way
        The z axis.
    first
        Number of the first 3-D cell.

    Raises
    ------
    BadSettings
        If the result has no such axis, or no cells in two slices.
    """
    way.check(result.leading)
    return _join(snapshot(result), settings, way, first)


def _join(cells: Snapshot, settings: StitchSettings, way: Way, first: int) -> Generator[Progress, None, Joined]:
    if len({way.at(index) for index, members in cells if members}) < 2:
        raise BadSettings("Expected cells in two slices or more. Segment all slices first: 'All planes' in Segment.")
    planes = dict(cells)
    tracks: dict[Key, tuple[int, int]] = {}
    done = gaps = n = 0
    for rest in sorted({way.rest(index) for index in planes}):
        stack = {way.at(index): members for index, members in planes.items() if way.rest(index) == rest}
        open_ends: list[tuple[int, Instance, int]] = []  # slice, last cell and number of 3-D cells that may go on
        for at in sorted(stack):
            members = stack[at]
            open_ends = [end for end in open_ends if at - end[0] <= settings.longest_gap + 1]
            numbers = _continued(open_ends, members, at, settings)
            for k, cell in enumerate(members):
                if k in numbers:
                    gaps += at - open_ends[numbers[k]][0] - 1
                    number = open_ends[numbers[k]][2]
                else:
                    number, n = first + n, n + 1
                tracks[way.place(at, rest), cell.id] = (number, 0)
            used = set(numbers.values())
            open_ends = [end for e, end in enumerate(open_ends) if e not in used]
            open_ends += [(at, cell, tracks[way.place(at, rest), cell.id][0]) for cell in members]
            done += 1
            yield Progress(done, len(planes), f"Slice {_name(way.place(at, rest))}")
    return Joined(tracks, n, gaps)


def _name(index: Index) -> str:
    return ", ".join(map(str, index))


def _continued(
    ends: list[tuple[int, Instance, int]], members: list[Instance], at: int, settings: StitchSettings
) -> dict[int, int]:
    """For cells of a slice, the number of the open end that they continue; the nearest slice comes first."""
    taken: dict[int, int] = {}
    for step in range(1, settings.longest_gap + 2):
        rows = [e for e, end in enumerate(ends) if at - end[0] == step and e not in taken.values()]
        free = [k for k in range(len(members)) if k not in taken]
        taken |= {
            free[k]: rows[e] for e, k in _overlapping([ends[e][1] for e in rows], [members[k] for k in free], settings)
        }
    return taken


def _overlapping(below: list[Instance], above: list[Instance], settings: StitchSettings) -> list[tuple[int, int]]:
    if not below or not above:
        return []
    boxes = np.array([cell.box for cell in (*below, *above)], np.float64)
    numbers = np.arange(len(boxes))
    rows, columns = near_pairs(boxes, numbers[: len(below)], numbers[len(below) :], iou=0.0)
    columns = columns - len(below)
    ious = np.zeros(len(rows))
    for n, (i, j) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        common = intersection(below[i], above[j])
        ious[n] = common / (below[i].area + above[j].area - common)
    best = best_pairs(rows, columns, 1 - ious, limit=1 - settings.smallest_iou + 1e-9)
    return [(int(rows[k]), int(columns[k])) for k in best]
