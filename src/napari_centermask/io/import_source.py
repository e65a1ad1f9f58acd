"""The records to import into a project, from a COCO file or from cells in any other format."""

from __future__ import annotations

from pathlib import Path

from napari_centermask.core.progress import Advance
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.importing import Imported, import_coco
from napari_centermask.io.coco.records import records_of
from napari_centermask.io.coco.report import ImportReport
from napari_centermask.io.formats import Format
from napari_centermask.io.formats.files import files_in, guess, read_files
from napari_centermask.io.formats.reading import Reading, find_image
from napari_centermask.io.image_names import Find


def records_to_import(
    path: Path,
    *,
    whole_folder: bool,
    find: Find | None,
    known: Find,
    crowds: str,
    boxes: bool,
    advance: Advance,
) -> Imported:
    """Read a file, or all files of its format beside it.

    Parameters
    ----------
    path
        A COCO file, or one of another format: labels, LabelMe, YOLO and others, which have a file for each image.
    whole_folder
        Read the other files of the format in its folder, too, unless it is COCO.
    find, known, crowds, boxes
        As for `import_coco`.
    advance
        Called with the number of annotations read so far, and of all; of a folder, of files.

    Raises
    ------
    BadAnnotations
        If it cannot be read.
    """
    format: Format | None = guess(path)
    if format is None or format.many:
        return import_coco(path, find=find, known=known, crowds=crowds, boxes=boxes, advance=advance)
    of_cells = set(files_in(path.parent, format).get(format.name, ()))
    whole_folder = whole_folder and path in of_cells  # else what was chosen would be the one that is left out
    _, reading = read_files(path.parent if whole_folder else path, format, advance=advance)
    report = ImportReport(path.parent.name if whole_folder else path.name, notes=list(reading.notes))
    for name, why in reading.failed.items():
        report.refuse(why, name)
    return Imported(_records(reading, path, of_cells, known), report)


def _records(reading: Reading, path: Path, of_cells: set[Path], known: Find) -> list[ImageRecord]:
    """A record for each plane, under the name of its image, which is none of the files of cells."""
    records: list[ImageRecord] = []
    for result in reading.results:
        place = (
            reading.places.get(result.name) or find_image(path, None, result.name, but=of_cells) or known(result.name)
        )
        name = result.name if place is None else place.name
        records += records_of(result, name, first_id=len(records) + 1, path=place)
    return records
