"""The cells of another tool's training data as COCO records, by the readers that `convert` uses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_centermask.core.collection import paused_collection
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instances
from napari_centermask.core.progress import Advance, silent
from napari_centermask.core.result import Result
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.merge import with_same_categories
from napari_centermask.io.coco.records import records_of
from napari_centermask.io.datasets.dataset import WHOLE, Dataset, Item
from napari_centermask.io.formats import READABLE
from napari_centermask.io.images import read_header, read_image
from napari_centermask.io.reviewed import PARTIAL

Say = Callable[[str], None]
_SHOWN = 3  # notes of single files


def read_items(
    dataset: Dataset, split: str | None, *, say: Say = silent, advance: Advance = silent
) -> list[ImageRecord]:
    """The images of a split with their cells; of a folder without splits, all for None.

    Where marks of the Cell Tracking Challenge show that cells of a frame have no outline, nothing in it counts as background.

    Parameters
    ----------
    say
        Called with what was recognised, and what is left out or assumed.
    advance
        Called with the number of files read so far, and of all.

    Raises
    ------
    BadAnnotations, BadImage
        If a file cannot be read, or an image and its cells differ in size.
    """
    items = dataset.items(split)
    reader = _Reader(dataset)
    with paused_collection():
        for n, item in enumerate(items):
            advance(n, len(items))
            reader.add(item)
        records = reader.records()
    advance(len(items), len(items))
    cells = sum(len(record.instances) for record in records)
    where = f"{split} of {dataset.folder.name}" if split else dataset.folder.name
    images = counted(len({record.path for record in records}), "image")
    say(f"Read as {dataset.title}: {where}, {images} with {counted(cells, 'cell')}.")
    for note in (*dataset.notes, *reader.notes()):
        say(note)
    return records


def read_all(dataset: Dataset, *, say: Say = silent, advance: Advance = silent) -> list[ImageRecord]:
    """The images of all splits, each once."""
    every = dict.fromkeys(item for items in dataset.splits.values() for item in items)
    merged = replace(dataset, splits={WHOLE: [*every]})
    return read_items(merged, None, say=say, advance=advance)


class _Reader:
    """Reads one file after the other; categories of the same name get the same id in all of them."""

    def __init__(self, dataset: Dataset) -> None:
        self._format = READABLE[dataset.format]
        root = dataset.folder.absolute()
        images = [item.image.absolute() for items in dataset.splits.values() for item in items]
        elsewhere = [image for image in images if not image.is_relative_to(root.parent)]
        self._roots = [root, root.parent, *_roots_of(elsewhere)]
        self._records: list[ImageRecord] = []
        self._incomplete = set[int]()  # positions of records with cells that have no outline
        self._notes: list[str] = []

    def add(self, item: Item) -> None:
        """Read the cells of an image."""
        new = list(self._read(item))
        if item.markers is not None:
            self._note_incomplete(new, item.markers)
        self._records += new

    def records(self) -> list[ImageRecord]:
        """All records, with numbers and categories of the whole data set."""
        marked = self._marked() if self._incomplete else self._records
        return [replace(r, id=n) for n, r in enumerate(with_same_categories(list(marked)), start=1)]

    def notes(self) -> list[str]:
        """What was left out or assumed."""
        notes = self._notes[:_SHOWN]
        if len(self._notes) > _SHOWN:
            notes.append(f"{len(self._notes) - _SHOWN:,} more files with such notes.")
        if self._incomplete:
            notes.append(
                f"{counted(len(self._incomplete), 'frame or slice', 'frames and slices')} with cells that are marked but not "
                "outlined: only outlined cells are used there, and nothing counts as background."
            )
        return notes

    def _read(self, item: Item) -> Iterator[ImageRecord]:
        name = self._name(item.image)
        if item.cells is None:
            header = read_header(item.image)
            yield from records_of(Result(header.plane_shape, leading=header.leading), name, path=item.image)
            return
        # A file of labels is read whatever it is called; other formats are told apart by their names.
        format = READABLE["labels"] if self._is_labels(item.cells) else self._format
        reading = format.read(item.cells, images=item.image.parent)
        self._notes += [f"{item.cells.name}: {note}" for note in reading.notes]
        for result in reading.results:
            _check_size(item, result)
            found = records_of(result, name, path=item.image)
            yield from found if item.plane is None else (_on_plane(record, item) for record in found)

    def _is_labels(self, path: Path) -> bool:
        return self._format.name == "cellpose" and not path.name.endswith(self._format.endings)

    def _name(self, image: Path) -> str:
        """The path in the folder; of an image beside it, from the folder above; else from what all images elsewhere share."""
        path = image.absolute()
        root = next(root for root in self._roots if path.is_relative_to(root))
        return path.relative_to(root).as_posix()

    def _note_incomplete(self, records: Sequence[ImageRecord], markers: Path) -> None:
        marks = np.asarray(read_image(markers, labels=True).data)
        for at, record in enumerate(records, start=len(self._records)):
            plane = marks[record.plane] if marks.ndim == 2 + len(record.plane) else marks
            if plane.shape == record.shape and _has_bare_marks(plane, record.instances):
                self._incomplete.add(at)

    def _marked(self) -> Iterator[ImageRecord]:
        """The records, which say how much of each image is known."""
        for at, record in enumerate(self._records):
            whole = () if at in self._incomplete else ((0, 0, *record.shape),)
            yield replace(record, extra=record.extra | {PARTIAL: True}, reviewed=whole)


def _roots_of(images: Sequence[Path]) -> list[Path]:
    """The folder that all images share, so that those of one name in different folders stay apart; one for each drive."""
    drives: dict[str, list[Path]] = {}
    for image in images:
        drives.setdefault(image.anchor, []).append(image.parent)
    return [Path(os.path.commonpath(folders)) for folders in drives.values()]


def _check_size(item: Item, result: Result) -> None:
    """Raise `BadAnnotations` if image and cells differ in size."""
    header = read_header(item.image, leading=None if item.plane is not None else result.leading)
    if header.plane_shape != result.shape:
        raise BadAnnotations(
            f"Image and cells differ in size: {item.image} has {_size(header.plane_shape)} (height x width), {item.cells} "
            f"{_size(result.shape)}. Put back the image that they were drawn on, or export the cells again."
        )


def _on_plane(record: ImageRecord, item: Item) -> ImageRecord:
    header = read_header(item.image)
    if not header.leading and header.other_axes:  # a stack of few slices may be taken for channels
        header = read_header(item.image, axes=header.other_axes)
    leading, plane = header.leading, item.plane or ()
    if len(plane) != len(leading) or any(not 0 <= at < n for at, n in zip(plane, leading, strict=True)):
        raise BadAnnotations(
            f"{item.cells} has cells of slice {plane[0]}, which {item.image} does not have. Put back the right image."
        )
    return replace(record, plane=plane, leading=leading)


def _has_bare_marks(marks: np.ndarray, cells: Instances) -> bool:
    """Whether a mark touches no cell."""
    outlined = np.zeros(cells.shape, bool)
    for cell in cells:
        y0, x0, y1, x1 = cell.box
        outlined[y0:y1, x0:x1] |= cell.mask
    return not set(np.unique(marks).tolist()) <= {0, *np.unique(marks[outlined]).tolist()}


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"
