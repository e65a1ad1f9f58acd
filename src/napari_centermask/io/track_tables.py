"""Tracks and 3-D cells as CSV: a row for each cell of a track, and a row for each 3-D cell."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_centermask.core.result import Result, centre
from napari_centermask.core.tracks import Lineage, Solid, Way, solids
from napari_centermask.io.whole_file import whole_file

Row = tuple[int | float, ...]
TRACKS = ("track", "parent", "lineage", "frame", "cell", "y", "x", "area")
SOLIDS: tuple[str, ...] = ("cell", "first_slice", "last_slice", "slices", "voxels", "z", "y", "x", "diameter")


def write_tracks(path: Path, result: Result, way: Way, *, pixel_um: float | None = None) -> int:
    """Write a row for each shown cell that is on a track; returns their number.

    `lineage` is the track that a cell descends from in the end; frames count from 0; positions and areas are in pixels.

    Parameters
    ----------
    pixel_um
        Side of a pixel in micrometres; gives columns in micrometres beside those in pixels.
    """
    lineage = Lineage(result, way)
    rows: list[Row] = []
    for track in lineage:
        root = lineage.root(track)
        for spot in track.spots:
            (y, x), area = centre(spot.cell), spot.cell.area
            row = (track.id, track.parent, root, way.at(spot.index), spot.cell.id, round(y, 2), round(x, 2), area)
            in_um = () if pixel_um is None else (y * pixel_um, x * pixel_um, area * pixel_um**2)
            rows.append((*row, *way.rest(spot.index), *(round(value, 4) for value in in_um)))
    others = [f"axis_{n}" for n in range(len(result.leading)) if n != way.axis]
    others = ["slice"] if len(others) == 1 else others
    micrometres = ("y_um", "x_um", "area_um2") if pixel_um is not None else ()
    _write(path, (*TRACKS, *others, *micrometres), rows)
    return len(rows)


def write_solids(
    path: Path, result: Result, way: Way, *, pixel_um: float | None = None, slice_um: float | None = None
) -> int:
    """Write a row for each 3-D cell; returns their number.

    Parameters
    ----------
    pixel_um, slice_um
        Side of a pixel and distance of two slices in micrometres; where both are known, there are volumes in cubic micrometres.
    """
    found = solids(result, way)
    names, rows = SOLIDS, [_solid_row(solid) for solid in found]
    if any(solid.moment for solid in found):
        names = (*names, "frame")
    if pixel_um is not None and slice_um is not None:
        names = (*names, "volume_um3")
        volumes = (solid.volume_um3(pixel_um, slice_um) for solid in found)
        rows = [(*row, float(f"{volume:.6g}")) for row, volume in zip(rows, volumes, strict=True)]
    _write(path, names, rows)
    return len(rows)


def _solid_row(solid: Solid) -> Row:
    z, y, x = (round(value, 2) for value in solid.centre)
    size = round(solid.voxels, 1), z, y, x, round(solid.diameter, 2)
    return (solid.track, solid.first, solid.last, solid.slices, *size, *solid.moment)


def _write(path: Path, names: Sequence[str], rows: Iterable[Row]) -> None:
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        writer.writerows(rows)
