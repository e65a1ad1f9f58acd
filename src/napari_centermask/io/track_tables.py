"""Tracks and 3-D cells as CSV: a row for each cell of a track, and a row for each 3-D cell."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_centermask.core.result import Result, centre
from napari_centermask.core.tracks import Lineage, Solid, Way, solids
from napari_centermask.io.whole_file import whole_file

Row = Sequence[str | int | float]
TRACKS = ("track", "parent", "lineage", "frame", "cell", "y", "x", "area")
SOLIDS = ("cell", "first_slice", "last_slice", "slices", "voxels", "z", "y", "x", "diameter")


def write_tracks(path: Path, result: Result, way: Way, *, pixel_um: float | None = None) -> int:
    """Write a row for each shown cell that is on a track; returns their number.

    `lineage` is the track that a cell descends from in the end; frames count from 0; positions and areas are in pixels.

    Parameters
    ----------
    pixel_um
        Side of a pixel in micrometres; gives columns in micrometres beside those in pixels.
    """
    lineage = Lineage(result, way)
    others = [f"axis_{n}" for n in range(len(result.leading)) if n != way.axis]
    rows = []
    for track in lineage:
        for spot in track.spots:
            y, x = centre(spot.cell)
            row: list[str | int | float] = [
                track.id,
                track.parent,
                lineage.root(track),
                way.at(spot.index),
                spot.cell.id,
            ]
            row += [round(y, 2), round(x, 2), spot.cell.area, *way.rest(spot.index)]
            if pixel_um is not None:
                row += [round(y * pixel_um, 4), round(x * pixel_um, 4), round(spot.cell.area * pixel_um**2, 4)]
            rows.append(row)
    micrometres = ("y_um", "x_um", "area_um2") if pixel_um is not None else ()
    others = ["slice" if len(others) == 1 else name for name in others]
    _write(path, (*TRACKS, *others, *micrometres), rows)
    return len(rows)


def solid_rows(
    found: Iterable[Solid], *, pixel_um: float | None = None, slice_um: float | None = None
) -> tuple[tuple[str, ...], list[Row]]:
    """Names of the columns and a row for each 3-D cell; volumes in cubic micrometres where both sizes are known."""
    found = list(found)
    is_known = pixel_um is not None and slice_um is not None
    has_time = any(solid.moment for solid in found)
    rows: list[Row] = []
    for solid in found:
        place = (round(value, 2) for value in solid.centre)
        row: list[str | int | float] = [
            solid.track,
            solid.first,
            solid.last,
            solid.slices,
            round(solid.voxels, 1),
            *place,
        ]
        row.append(round(solid.diameter, 2))
        row += solid.moment
        if pixel_um is not None and slice_um is not None:
            row.append(float(f"{solid.volume_um3(pixel_um, slice_um):.6g}"))
        rows.append(row)
    return (*SOLIDS, *(("frame",) if has_time else ()), *(("volume_um3",) if is_known else ())), rows


def write_solids(
    path: Path, result: Result, way: Way, *, pixel_um: float | None = None, slice_um: float | None = None
) -> int:
    """Write a row for each 3-D cell; returns their number. Sizes as in `solid_rows`."""
    names, rows = solid_rows(solids(result, way), pixel_um=pixel_um, slice_um=slice_um)
    _write(path, names, rows)
    return len(rows)


def _write(path: Path, names: Sequence[str], rows: Iterable[Row]) -> None:
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        writer.writerows(rows)
