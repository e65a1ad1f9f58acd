"""The records to import into a project, from a COCO file or from cells in any other format."""

from __future__ import annotations

from pathlib import Path

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.progress import Advance
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.importing import Imported, import_coco
from napari_centermask.io.coco.records import records_of
from napari_centermask.io.coco.report import ImportReport
from napari_centermask.io.datasets.ctc import from_challenge
from napari_centermask.io.datasets.reading import read_all
from napari_centermask.io.datasets.recognise import KNOWN, recognise
from napari_centermask.io.formats import READABLE, Format
from napari_centermask.io.formats.ctc import TEXTS, is_result
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
    """Read a file, or all files of its format beside it, or a folder of another tool's training data.

    Parameters
    ----------
    path
        A COCO file, or one of another format: labels, LabelMe, YOLO and others, which have a file for each image. For a sequence
        of the Cell Tracking Challenge, man_track.txt or res_track.txt. Or a folder, as `datasets.recognise` knows it.
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
    if path.is_dir() or path.name in TEXTS:
        return _of_folder(path if path.is_dir() else path.parent, known, advance)
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


def _of_folder(folder: Path, known: Find, advance: Advance) -> Imported:
    """The images of a folder of training data; of tracks whose frames are not there, one series with them."""
    if is_result(folder) and not from_challenge(folder):
        reading = READABLE["ctc"].read(folder, advance=advance)
        report = ImportReport(folder.name, notes=list(reading.notes))
        return Imported(_records(reading, folder, set(), known), report)
    dataset = recognise(folder)
    if dataset is None:
        raise BadAnnotations(
            f"{folder} has no training data that are recognised: {KNOWN}. Choose one file of the cells."
        )
    notes: list[str] = []
    records = read_all(dataset, say=notes.append, advance=advance)
    return Imported(records, ImportReport(folder.name, notes=notes))


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
