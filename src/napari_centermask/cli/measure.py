"""`measure`: write a table of measurements of cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from napari_centermask.cli.output import busy, check_free, follow, notice, print_json
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.left_out import LeftOut

if TYPE_CHECKING:
    from napari_centermask.core.result import Result
    from napari_centermask.io.measurements import Measured

Flag = Annotated[bool, Parameter(negative=())]


def measure(
    cells: Path,
    /,
    *,
    out: Path = Path("measurements.csv"),
    images: Path | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    labels: list[str] | None = None,
    channel_names: list[str] | None = None,
    background: str = "ring",
    ring_gap: int = 2,
    ring_width: int = 6,
    dead: str | None = None,
    threshold: float | None = None,
    axes: str | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Measure cells: a table with a row per cell, and one with counts and viability of each image and frame.

    Measures the shape of each cell and, for each channel, mean, spread, extremes and sum, and mean and sum less the background.
    Each cell is measured on its own mask, overlaps included. The first line of the table
    names the columns; areas are in pixels, and in square micrometres too where the pixel size is known.

    For example:

      napari-centermask measure annotations.json --out cells.csv

      napari-centermask measure "experiment 3" --channel-names DAPI PI --dead dead --threshold 0.4

    Parameters
    ----------
    cells
        File of cells in any format, a folder of such files, or a project.
    out
        CSV to write, or Parquet for a name that ends with .parquet; the counts go to NAME_counts beside it.
    images
        Folder of the images; by default looked for beside the cells.
    from_
        Format of the cells; guessed from the name by default.
    labels
        Names of the label images to read from an OME-Zarr; by default all, each as a category.
    channel_names
        Names of the channels, in order; by default those of the file, or channel0, channel1 ...
    background
        ring (median around each cell), image (median of the image) or none.
    ring_gap
        Pixels between a cell's edge and its ring.
    ring_width
        Width of the ring in pixels.
    dead
        Name of the category that is not viable; guessed from the names by default.
    threshold
        Unreviewed cells are of that category from this probability on; as they are when not given.
    axes
        What the axes of the images are, a letter for each (T, Z, C, Y, X): ZYX; as their files say when not given.
    overwrite
        Replace existing files.
    json
        Print a summary as JSON.
    """
    from napari_centermask.core.measure import Background
    from napari_centermask.io.formats.files import format_named, read_files
    from napari_centermask.io.measurements import counts_path, write_measurements
    from napari_centermask.io.scene_paths import is_zarr_name

    ground = Background(background, ring_gap, ring_width)
    check_free([out, counts_path(out)], overwrite=overwrite, inputs=[cells])
    of = format_named(from_, to_read=True) if from_ else None
    with busy(f"Reading {cells.name}"):
        _, reading = read_files(cells, of, images=images, labels=labels)
    for note in reading.notes:
        notice(note)
    left_out = LeftOut[str](lambda why: notice(f"Error: {why}"), but=(BadSettings,))
    for name, why in reading.failed.items():
        left_out.add(name, why)
    beside = cells / "cells" if cells.is_dir() and not is_zarr_name(cells) else cells
    measured = []
    for result in reading.results:
        with left_out.unless_done(result.name):
            measured.append(_measured(result, beside, images, channel_names, dead, axes))
            if threshold is not None:
                _apply(measured[-1], threshold)
    if left_out and not measured:
        raise BadImage(f"None of {counted(len(left_out.why), 'image')} can be measured. Nothing is written.")
    written = follow(write_measurements(out, measured, background=ground, left_out=left_out), "cells")
    measured = [i for i in measured if i.name not in left_out.why]
    n = sum(i.result.n_visible() for i in measured)
    if json:
        report = {"images": len(measured), "cells": n, "written": list(written)}
        print_json(report | ({"left_out": left_out.sentences} if left_out else {}))
    else:
        print(f"{counted(len(measured), 'image')}, {counted(n, 'cell')}: {written[0]}, {written[1].name}")
    return 2 if left_out else 0


def _measured(
    result: Result,
    cells: Path,
    images: Path | None,
    names: Sequence[str] | None,
    dead: str | None,
    axes: str | None,
) -> Measured:
    """A result with its image."""
    from napari_centermask.io.formats.reading import find_image
    from napari_centermask.io.images import read_header
    from napari_centermask.io.measurements import Measured

    path = find_image(cells, images, result.name)
    if path is None:
        where = images or cells.parent
        raise BadImage(f"Image {result.name} not found in {where}. Choose its folder with --images.")
    note = read_header(path, axes=axes, leading=result.leading).note
    if note:
        notice(note)
    return Measured.of_file(result, path, channels=names, dead=_category(result, dead), axes=axes)


def _category(result: Result, name: str | None) -> int | None:
    if name is None:
        return None
    category = next((id for id, known in result.categories.items() if known.casefold() == name.casefold()), None)
    if category is None:
        known = ", ".join(result.categories.values())
        raise BadSettings(f"--dead: {result.name} has no category '{name}'. Choose one of: {known}.")
    return category


def _apply(image: Measured, threshold: float) -> None:
    from napari_centermask.core.history import History
    from napari_centermask.core.viability import CellProbabilities, dead_category

    if not 0 <= threshold <= 1:
        raise BadSettings(f"--threshold must be a probability from 0 to 1, not {threshold}.")
    dead = image.dead if image.dead is not None else dead_category(image.result.categories)
    if dead is None and len(image.result.categories) > 1:
        known = ", ".join(image.result.categories.values())
        raise BadSettings(f"--threshold: no category of {image.name} is called dead. Name it with --dead: {known}.")
    cells = CellProbabilities(image.result, dead)
    if not cells.free.any():
        notice(f"{image.name}: the threshold changes no cell, as no unreviewed cell has probabilities.")
    History(image.result).do("threshold", cells.changes(threshold))
