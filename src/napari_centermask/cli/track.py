"""`track`: follow cells through the frames of a time series."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_centermask.cli.output import notice
from napari_centermask.cli.series import check_outputs, read_series, report, set_tracks, write_cells
from napari_centermask.core.counted import counted
from napari_centermask.settings import TrackSettings

Flag = Annotated[bool, Parameter(negative=())]


def track(
    cells: Path,
    /,
    *,
    out: Path | None = None,
    csv: Path | None = None,
    ctc: Path | None = None,
    keep: Flag = False,
    axis: int = 0,
    pixel_size: float | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    overwrite: Flag = False,
    json: Flag = False,
    settings: Annotated[TrackSettings | None, Parameter(name="*")] = None,
) -> int:
    """Follow cells through time: by overlap and motion, over missed frames, and through divisions.

    The cells may overlap, and keep everything that they have. On each image, the time axis is the first one, before z. Slices
    that `stitch` joined to 3-D cells are followed together.

    For example:

      napari-centermask track annotations.json --out tracked.json --csv tracks.csv

      napari-centermask track tracked.json --keep --ctc 01_RES

    Parameters
    ----------
    cells
        File of the cells of one or more time series, in any format.
    out
        File to write, with the tracks; COCO, GeoJSON, ImageJ and OME-Zarr keep them.
    csv
        Table to write, with a row for each cell of a track; for one series.
    ctc
        Folder to write as a result of the Cell Tracking Challenge; for one series.
    keep
        Keep the tracks that the file has, and only write what was asked for.
    axis
        Number of the time axis, from 0, among those before height and width.
    pixel_size
        Side of a pixel in micrometres, for the table.
    from_
        Format of the cells; guessed from the name by default.
    overwrite
        Replace existing files.
    json
        Print a summary as JSON.
    settings
        How cells are followed.
    """
    from napari_centermask.core.tracks import Lineage, Way
    from napari_centermask.io.formats.ctc import series_files, write_series
    from napari_centermask.io.track_tables import write_tracks
    from napari_centermask.pipeline.tracking import track_cells

    way = Way(axis)
    results, inputs = read_series(cells, from_, way, alone=[csv, ctc])
    others = [*([csv] if csv else []), *(series_files(ctc, results[0], way) if ctc else [])]
    flags = "a file with --out or --csv, or a folder with --ctc"
    check_outputs(out, others, flags=flags, overwrite=overwrite, inputs=inputs)
    if not keep:
        for result in results:
            set_tracks(result, track_cells(result, settings or TrackSettings(), way=way), "tracking")
    lineages = [Lineage(result, way) for result in results]
    write_cells(out, results, overwrite=overwrite, inputs=inputs)
    if csv is not None:
        write_tracks(csv, results[0], way, pixel_um=pixel_size)
    if ctc is not None:
        for note in write_series(ctc, results[0], way).notes:
            notice(note)
    tracks, divisions = sum(map(len, lineages)), sum(len(lineage.divisions()) for lineage in lineages)
    counts = {"series": len(results), "tracks": tracks, "divisions": divisions}
    report(counts, f"{counted(tracks, 'track')}, {counted(divisions, 'division')}", out, csv, ctc, json=json)
    return 0
