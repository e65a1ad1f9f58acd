"""`track`: follow cells through the frames of a time series."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from napari_centermask.cli.output import check_free, follow, notice, print_json
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import TrackSettings

if TYPE_CHECKING:
    from napari_centermask.core.result import Result
    from napari_centermask.core.tracks import Way

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
    from napari_centermask.io.track_tables import write_tracks

    way = Way(axis)
    results, inputs = read_series(cells, from_, way, alone=[csv, ctc])
    _check([out, csv], ctc, results, way, overwrite=overwrite, inputs=inputs)
    if not keep:
        for result in results:
            _track(result, settings or TrackSettings(), way)
    lineages = [Lineage(result, way) for result in results]
    n_tracks, n_divisions = sum(map(len, lineages)), sum(len(lineage.divisions()) for lineage in lineages)
    write_cells(out, results, overwrite=overwrite, inputs=inputs)
    if csv is not None:
        write_tracks(csv, results[0], way, pixel_um=pixel_size)
    if ctc is not None:
        _write_ctc(ctc, results[0], way)
    written = [path for path in (out, csv, ctc) if path is not None]
    if json:
        print_json({"series": len(results), "tracks": n_tracks, "divisions": n_divisions, "written": written})
    else:
        print(f"{counted(n_tracks, 'track')}, {counted(n_divisions, 'division')}: {', '.join(map(str, written))}")
    return 0


def read_series(
    path: Path, format: str | None, way: Way, *, alone: list[Path | None]
) -> tuple[list[Result], list[Path]]:
    """The results that have the axis, and the files that were read.

    Parameters
    ----------
    alone
        Files that hold one series.

    Raises
    ------
    UserError
        If there is none, or several where one is needed.
    """
    from napari_centermask.io.formats.files import format_named, read_files

    _, reading = read_files(path, format_named(format, to_read=True) if format else None)
    for note in reading.notes:
        notice(note)
    results = [result for result in reading.results if len(result.leading) > way.axis]
    if not results:
        way.check(reading.results[0].leading)
    if left := len(reading.results) - len(results):
        notice(f"{counted(left, 'single image')} left out.")
    if len(results) > 1 and any(alone):
        raise BadSettings(
            f"A table or a folder holds one series, but {path.name} has {len(results)}. Export one by itself."
        )
    return results, list(reading.files)


def _check(
    files: list[Path | None], ctc: Path | None, results: list[Result], way: Way, *, overwrite: bool, inputs: list[Path]
) -> None:
    from napari_centermask.io.formats.ctc import series_files

    targets = [path for path in files if path is not None]
    if not targets and ctc is None:
        raise BadSettings("Nothing to write. Name a file with --out or --csv, or a folder with --ctc.")
    check_free(targets + (series_files(ctc, results[0], way) if ctc else []), overwrite=overwrite, inputs=inputs)


def write_cells(out: Path | None, results: list[Result], *, overwrite: bool, inputs: Iterable[Path]) -> None:
    """Write all cells in the format that the name of a file says, if there is one.

    Raises
    ------
    BadSettings
        If the name says none, or the format does not keep tracks.
    """
    from napari_centermask.io.formats.files import guess_target, write_files

    if out is None:
        return
    format = guess_target(out)
    if format is None or not format.exact:
        raise BadSettings(f"{out.name} cannot keep tracks. Choose a name that ends in .json for --out.")
    write_files(out, results, format, overwrite=overwrite, inputs=list(inputs))


def _track(result: Result, settings: TrackSettings, way: Way) -> None:
    from napari_centermask.core.history import History
    from napari_centermask.core.tracks import assigned
    from napari_centermask.pipeline.tracking import track_cells

    found = follow(track_cells(result, settings, way=way), result.name)
    History(result).do("tracking", assigned(result, found.tracks))


def _write_ctc(folder: Path, result: Result, way: Way) -> None:
    from napari_centermask.io.formats.ctc import write_series

    for note in write_series(folder, result, way).notes:
        notice(note)
