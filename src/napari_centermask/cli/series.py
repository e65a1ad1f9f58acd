"""What `track` and `stitch` share: the series in a file of cells, their tracks, and what is written and said at the end."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_centermask.cli.output import busy, check_free, follow, notice, print_json
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings

if TYPE_CHECKING:
    from napari_centermask.core.result import Result
    from napari_centermask.core.tracks import Way
    from napari_centermask.io.formats import Format
    from napari_centermask.pipeline.progress import Progress
    from napari_centermask.pipeline.tracking import Joined, Tracked


def read_series(
    path: Path, format: str | None, way: Way, *, alone: Sequence[Path | None]
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

    with busy(f"Reading {path.name}"):
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


def check_outputs(
    out: Path | None, others: Sequence[Path], *, flags: str, overwrite: bool, inputs: Sequence[Path]
) -> None:
    """Refuse, before the work, a file that cannot keep tracks, files that must not be replaced, and writing nothing.

    Parameters
    ----------
    out
        File for all cells.
    others
        Tables, and the files of folders.
    flags
        What names something to write, for the error.

    Raises
    ------
    UserError
        Naming the file.
    """
    if out is not None:
        _format_of(out)
    elif not others:
        raise BadSettings(f"Nothing to write. Name {flags}.")
    check_free([*([out] if out else []), *others], overwrite=overwrite, inputs=inputs)


def _format_of(out: Path) -> Format:
    from napari_centermask.io.formats.files import guess_target

    format = guess_target(out)
    if format is None or not format.exact:
        raise BadSettings(f"{out.name} cannot keep tracks. Choose a name that ends in .json for --out.")
    return format


def set_tracks(result: Result, steps: Generator[Progress, None, Tracked | Joined], name: str) -> None:
    """Find the tracks of a result's cells, with progress, and give them to the cells as one edit with this name."""
    from napari_centermask.core.history import History
    from napari_centermask.core.tracks import assigned

    found = follow(steps, result.name)
    History(result).do(name, assigned(result, found.tracks))


def write_cells(out: Path | None, results: Sequence[Result], *, overwrite: bool, inputs: Sequence[Path]) -> None:
    """Write all cells in the format that the name of a file says, if there is one."""
    from napari_centermask.io.formats.files import write_files

    if out is not None:
        with busy(f"Writing {out.name}"):
            write_files(out, results, _format_of(out), overwrite=overwrite, inputs=inputs)


def report(counts: Mapping[str, int], text: str, *written: Path | None, json: bool) -> None:
    """Say what was found, as JSON or in words, and which files were written."""
    paths = [path for path in written if path is not None]
    if json:
        print_json({**counts, "written": paths})
    else:
        print(f"{text}: {', '.join(map(str, paths))}")
