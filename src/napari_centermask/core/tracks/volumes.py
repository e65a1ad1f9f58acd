"""Size and place of the 3-D cells that joined slices make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Index, Result, centre
from napari_centermask.core.tracks.way import Way


@dataclass(frozen=True, slots=True)
class Solid:
    """A 3-D cell at one moment.

    Attributes
    ----------
    track
        Its number.
    moment
        Its place on the axes other than z: the frame, if the image has time.
    first, last
        Its slices.
    slices
        In how many of them it was found.
    voxels
        Pixels of all its slices; those of a missing slice between two others count as their mean.
    centre
        (z, y, x) of its centre of mass, in slices and pixels.
    diameter
        In pixels, of the disk of the area of its largest slice.
    """

    track: int
    moment: Index
    first: int
    last: int
    slices: int
    voxels: float
    centre: tuple[float, float, float]
    diameter: float

    def volume_um3(self, pixel_um: float, slice_um: float) -> float:
        """Volume in cubic micrometres, from the side of a pixel and the distance of two slices."""
        return self.voxels * pixel_um**2 * slice_um


def solids(result: Result, way: Way) -> list[Solid]:
    """The 3-D cells of a result, of the shown cells that are on a track, by moment and number."""
    found: dict[tuple[Index, int], list[tuple[int, Instance]]] = {}
    for index, plane in result.planes.items():
        for cell in plane:
            if cell.track and result.shows(cell):
                found.setdefault((way.rest(index), cell.track), []).append((way.at(index), cell))
    return [
        _solid(track, moment, sorted(cells, key=lambda c: c[0])) for (moment, track), cells in sorted(found.items())
    ]


def _solid(track: int, moment: Index, cells: Sequence[tuple[int, Instance]]) -> Solid:
    at = np.array([z for z, _ in cells])
    areas = np.array([cell.area for _, cell in cells], float)
    slices, per_slice = np.unique(at), np.bincount(at, areas)[np.unique(at)]
    whole = np.interp(np.arange(slices[0], slices[-1] + 1), slices, per_slice)
    centres = np.array([centre(cell) for _, cell in cells])
    y, x = np.average(centres, axis=0, weights=areas).tolist()
    z = float(np.average(at, weights=areas))
    diameter = max(cell.diameter for _, cell in cells)
    return Solid(track, moment, int(slices[0]), int(slices[-1]), len(slices), float(whole.sum()), (z, y, x), diameter)
