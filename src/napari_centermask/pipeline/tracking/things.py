"""What is followed from frame to frame: a cell of a plane, or all slices of a 3-D cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Index, Result, centre
from napari_centermask.core.tracks import Key, Way

Frame = list["Thing"]


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """A cell at one moment.

    Attributes
    ----------
    at
        Its frame or slice.
    parts
        Its cells by their place on the other axes.
    centre
        (y, x) of its centre of mass.
    area
        Number of pixels, or of voxels.
    """

    at: int
    parts: dict[Index, tuple[Key, Instance]]
    centre: tuple[float, float]
    area: int

    @property
    def keys(self) -> list[Key]:
        """Plane and id of its cells."""
        return [key for key, _ in self.parts.values()]

    @property
    def diameter(self) -> float:
        """Diameter in pixels of the disk of the area of its largest slice."""
        return max(cell.diameter for _, cell in self.parts.values())


def thing_of(at: int, parts: dict[Index, tuple[Key, Instance]]) -> Thing:
    """A thing, with what follows from its cells."""
    if len(parts) == 1:
        ((_, cell),) = parts.values()
        return Thing(at, parts, centre(cell), cell.area)
    centres = np.array([centre(cell) for _, cell in parts.values()])
    areas = np.array([cell.area for _, cell in parts.values()])
    y, x = np.average(centres, axis=0, weights=areas).tolist()
    return Thing(at, parts, (y, x), int(areas.sum()))


Snapshot = list[tuple[Index, list[Instance]]]


def snapshot(result: Result) -> Snapshot:
    """The shown cells of each plane, for a worker thread: edits meanwhile do not reach them."""
    return [(index, [cell for cell in plane if result.shows(cell)]) for index, plane in result.planes.items()]


def frames_of(cells: Snapshot, way: Way, n: int) -> Iterable[Frame]:
    """The things of each of n frames in time: cells of one track in one frame are one thing."""
    planes: dict[int, Snapshot] = {}
    for index, members in cells:
        planes.setdefault(way.at(index), []).append((index, members))
    for at in range(n):
        groups: dict[tuple[int, ...], dict[Index, tuple[Key, Instance]]] = {}
        for index, members in planes.get(at, []):
            rest = way.rest(index)
            for cell in members:
                # Two cells of one plane are never one, whatever their tracks say.
                known = (cell.track,) if cell.track and rest else (0, *index, cell.id)
                if rest in groups.get(known, {}):
                    known = (0, *index, cell.id)
                groups.setdefault(known, {})[rest] = ((index, cell.id), cell)
        yield [thing_of(at, parts) for parts in groups.values()]


def within(places: np.ndarray, things: Frame, reach: float) -> list[list[int]]:
    """For each (y, x), the numbers of the things whose centres are not farther than `reach`, rising."""
    found: Any = KDTree([thing.centre for thing in things]).query_ball_point(places, reach)
    return [sorted(numbers) for numbers in found]


def _shared(a: Instance, b: Instance, shift: tuple[int, int]) -> int:
    """Number of pixels that two cells share after the first was moved by (y, x)."""
    ay, ax = a.y0 + shift[0], a.x0 + shift[1]
    y0, x0 = max(ay, b.y0), max(ax, b.x0)
    y1 = min(ay + a.mask.shape[0], b.y0 + b.mask.shape[0])
    x1 = min(ax + a.mask.shape[1], b.x0 + b.mask.shape[1])
    if y0 >= y1 or x0 >= x1:
        return 0
    own, other = a.mask[y0 - ay : y1 - ay, x0 - ax : x1 - ax], b.mask[y0 - b.y0 : y1 - b.y0, x0 - b.x0 : x1 - b.x0]
    return int(np.count_nonzero(own & other))


def overlap(a: Thing, b: Thing, shift: tuple[float, float]) -> int:
    """Number of pixels that two things share on the same slices, after the first was moved by (y, x)."""
    moved = round(shift[0]), round(shift[1])
    return sum(_shared(cell, b.parts[rest][1], moved) for rest, (_, cell) in a.parts.items() if rest in b.parts)
