"""Apply the edits in a journal that the files of a project lack, when it is opened."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from napari_centermask.core.errors import BadAnnotations, BadImage
from napari_centermask.io.edits import BadRecord
from napari_centermask.io.journal import Contents
from napari_centermask.io.project.categories import Categories
from napari_centermask.io.project.cells import Cells
from napari_centermask.io.project.image_list import ImageList
from napari_centermask.io.project.layout import STATUSES


class Replay:
    """Applies the records of a journal, each to the part of the project that it belongs to.

    Parameters
    ----------
    edits
        Numbers of the last records that annotations.json and project.json contain.
    """

    def __init__(self, cells: Cells, images: ImageList, categories: Categories, *, edits: tuple[int, int]) -> None:
        self._cells, self._images, self._categories = cells, images, categories
        self._in_annotations, self._in_project = edits

    def apply(self, contents: Contents) -> tuple[int, int]:
        """Apply what the files lack; returns the number of edits, and of records that could not be applied."""
        done = refused = 0
        for record in contents.records:
            is_edit = not record.keys().isdisjoint(("cells", "packed", "crowds"))
            of_cells = is_edit or "threshold" in record
            if record["n"] <= (self._in_annotations if of_cells else self._in_project):
                continue
            try:
                if of_cells and not is_edit:
                    self._cells.replay_threshold(self._image(record), record["threshold"])
                elif is_edit:
                    self._cells.replay(self._image(record), record)
                    done += 1
                else:
                    self._note(record)
            except (BadRecord, BadImage, BadAnnotations, ValidationError):
                refused += 1
        return done, refused

    def _note(self, record: dict[str, Any]) -> None:
        if "category" in record:
            self._categories.replay(record["category"])
        elif record.get("status") in STATUSES:
            self._images.set_status(self._image(record), record["status"])
        elif isinstance(record.get("group"), str):
            self._images.set_group(self._image(record), record["group"])
        else:
            raise BadRecord("a record has no known content")

    def _image(self, record: dict[str, Any]) -> int:
        image = record.get("image")
        if type(image) is not int or image not in self._images:
            raise BadRecord("there is no such image")
        return image
