"""COCO as one of the formats: many images in a file, and nothing is lost. `io.coco` does the work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_centermask.core.progress import Advance, silent
from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import load_json, parse_coco, write_coco
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.coco.image_place import place_of
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.importing import import_coco
from napari_centermask.io.coco.merge import with_same_categories
from napari_centermask.io.coco.records import by_image, records_of, result_of
from napari_centermask.io.formats.reading import Reading


def read(path: Path, images: Path | None = None, advance: Advance = silent) -> Reading:
    """Cells of all images of a COCO file; files of other programs are repaired if possible.

    Raises
    ------
    BadAnnotations
        As in `io.coco.document.read_coco` for our own files, `io.coco.importing.import_coco` for others.
    """
    data = load_json(path)
    info = data.get("info")
    if isinstance(info, dict) and KEY in info:
        return _reading(path, parse_coco(data, path, advance=advance))
    imported = import_coco(path, images_root=images, data=data, advance=advance)
    return _reading(path, imported.records, tuple(imported.report.sentences()))


def _reading(path: Path, records: list[ImageRecord], notes: tuple[str, ...] = ()) -> Reading:
    images = by_image(records)
    results = tuple(result_of(planes) for planes in images.values())
    found = (
        (result.name, place_of(planes[0].extra, path)) for result, planes in zip(results, images.values(), strict=True)
    )
    return Reading(results, notes, places={name: place for name, place in found if place is not None})


def write(path: Path, results: Sequence[Result], advance: Advance = silent) -> None:
    """Write all results into one file."""
    records: list[ImageRecord] = []
    for result in results:
        records += records_of(result, result.name, first_id=len(records) + 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_coco(path, with_same_categories(records), advance=advance)
