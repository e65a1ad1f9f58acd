"""COCO as one of the formats: many images in a file, everything kept. The work is done in `io.coco`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...core.result import Result
from ..coco import read_coco, write_coco
from ..coco_records import by_image, records_of, result_of
from .reading import Reading


def read(path: Path, images: Path | None = None) -> Reading:
    """Cells of all images of a COCO file.

    Raises
    ------
    BadAnnotations
        As `io.coco.read_coco`.
    """
    return Reading(tuple(result_of(records) for records in by_image(read_coco(path)).values()))


def write(path: Path, results: Sequence[Result]) -> None:
    """Write all results into one file."""
    records = []
    for result in results:
        records += records_of(result, result.name, first_id=len(records) + 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_coco(path, records)
