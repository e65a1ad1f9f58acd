"""`convert`: convert cells from one file format to another; says first what will be lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_centermask.cli.output import notice, print_json, working
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.left_out import LeftOut

Flag = Annotated[bool, Parameter(negative=())]


def convert(
    source: Path,
    target: Path,
    /,
    *,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    images: Path | None = None,
    labels: list[str] | None = None,
    shown: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Convert cells from one format to another.

    Formats: coco, labels, imagej, cellpose, geojson, ome-zarr, ome-zarr-0.5. A COCO file holds many images; the other formats
    have one file per image, and several images go into a folder.

    For example:

      napari-centermask convert annotations.json rois --to imagej

      napari-centermask convert field_seg.npy field.geojson

      napari-centermask convert masks annotations.json --from labels --images images

    Parameters
    ----------
    source
        File to read, or a folder of files in one format.
    target
        File to write, or a folder for several.
    from_
        Format of the source; guessed from its name by default.
    to
        Format of the target; guessed from its name by default.
    images
        Folder of the images, for their names and sizes; by default looked for beside the source.
    labels
        Names of the label images to read from an OME-Zarr; by default all, each as a category.
    shown
        Leave out rejected cells and those below the score of their result.
    overwrite
        Replace existing files.
    json
        Print a summary, with what was lost, as JSON.
    """
    from napari_centermask.io.formats.files import format_named, guess_target, read_files, write_files
    from napari_centermask.io.formats.loss import only_shown

    wanted = format_named(to) if to else guess_target(target)
    if wanted is None:
        raise BadSettings(f"The format of {target.name} is not clear. Choose it with --to coco, labels, imagej, ...")
    unit = "files" if source.is_dir() and source.suffix != ".zarr" else "cells"
    with working(f"Reading {source.name}", unit) as advance:
        given, reading = read_files(
            source,
            format_named(from_, to_read=True) if from_ else None,
            images=images,
            labels=labels,
            advance=advance,
        )
    results = [only_shown(r) for r in reading.results] if shown else list(reading.results)
    loss = wanted.loss(results)
    for note in reading.notes:
        notice(note)
    notice(f"{given.title} to {wanted.title}: {loss.text()}")
    rejected = sum(c.status == "rejected" for r in results for c in r)
    if rejected and wanted.exact:
        notice(f"{rejected} rejected cells are included; use --shown to leave them out.")
    left_out = LeftOut[str](lambda why: notice(f"Error: {why}"))
    for name, why in reading.failed.items():
        left_out.add(name, why)
    inputs = reading.files
    with working(f"Writing {target.name}", "cells") as advance:
        written = write_files(
            target, results, wanted, overwrite=overwrite, inputs=inputs, left_out=left_out, advance=advance
        )
    results = [r for r in results if r.name not in left_out.why]
    cells = sum(map(len, results))
    if json:
        said = {"from": given.name, "to": wanted.name, "images": len(results), "cells": cells}
        print_json(
            said | {"loss": loss.to_json(), "notes": reading.notes, "written": written} | {"failed": left_out.sentences}
        )
    else:
        print(f"{counted(len(results), 'image')}, {counted(cells, 'cell')}: {target}")
    return 2 if left_out else 0
