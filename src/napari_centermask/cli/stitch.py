"""`stitch`: join the slices of a z stack to 3-D cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_centermask.cli.series import check_outputs, read_series, report, set_tracks, write_cells
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import StitchSettings

Flag = Annotated[bool, Parameter(negative=())]


def stitch(
    cells: Path,
    /,
    *,
    out: Path | None = None,
    csv: Path | None = None,
    keep: Flag = False,
    axis: int | None = None,
    pixel_size: float | None = None,
    slice_distance: float | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    overwrite: Flag = False,
    json: Flag = False,
    settings: Annotated[StitchSettings | None, Parameter(name="*")] = None,
) -> int:
    """Join the slices of a z stack to 3-D cells, by the overlap of their masks, and give their volumes.

    The cells of a slice may overlap, and keep everything that they have.

    For example:

      napari-centermask stitch annotations.json --out joined.json --csv volumes.csv --pixel-size 0.2 --slice-distance 0.6

    Parameters
    ----------
    cells
        File of the cells of one or more z stacks, in any format.
    out
        File to write, with the 3-D cells; COCO, GeoJSON, ImageJ and OME-Zarr keep them.
    csv
        Table to write, with a row for each 3-D cell; for one stack.
    keep
        Keep the 3-D cells that the file has, and only write what was asked for.
    axis
        Number of the z axis, from 0, among those before height and width; the last of them by default.
    pixel_size
        Side of a pixel in micrometres, for volumes in cubic micrometres.
    slice_distance
        Distance of two slices in micrometres, likewise.
    from_
        Format of the cells; guessed from the name by default.
    overwrite
        Replace existing files.
    json
        Print a summary as JSON.
    settings
        How slices are joined.
    """
    from napari_centermask.core.tracks import Way, solids
    from napari_centermask.io.track_tables import write_solids
    from napari_centermask.pipeline.tracking import join_slices

    if (pixel_size is None) != (slice_distance is None):
        raise BadSettings("Volumes in cubic micrometres need both --pixel-size and --slice-distance.")
    results, inputs = read_series(cells, from_, Way(axis or 0, is_depth=True), alone=[csv])
    tables = [csv] if csv else []
    check_outputs(out, tables, flags="a file with --out or --csv", overwrite=overwrite, inputs=inputs)
    ways = [Way(len(result.leading) - 1 if axis is None else axis, is_depth=True) for result in results]
    if not keep:
        for result, way in zip(results, ways, strict=True):
            set_tracks(result, join_slices(result, settings or StitchSettings(), way=way), "joining of slices")
    n = sum(len(solids(result, way)) for result, way in zip(results, ways, strict=True))
    write_cells(out, results, overwrite=overwrite, inputs=inputs)
    if csv is not None:
        write_solids(csv, results[0], ways[0], pixel_um=pixel_size, slice_um=slice_distance)
    report({"stacks": len(results), "cells": n}, counted(n, "3-D cell"), out, csv, json=json)
    return 0
