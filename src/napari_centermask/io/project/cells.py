"""The cells of a project's images: read when an image is opened, and packed again when they have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from napari_centermask.core.collection import paused_collection
from napari_centermask.core.errors import BadImage
from napari_centermask.core.history import Change, Edit, History, RegionChange
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.predictions import replace_predictions
from napari_centermask.core.result import Index, Result
from napari_centermask.core.viability import renamed
from napari_centermask.io.edits import BadRecord, cell_record, state_of
from napari_centermask.io.project.categories import Categories
from napari_centermask.io.project.image_list import ImageList
from napari_centermask.io.project.layout import ImageEntry
from napari_centermask.io.project.store import Key, Store

Record = dict[str, Any]
"""Of the journal, without its number."""


@dataclass
class _LoadedImage:
    """An image whose cells were read, with the score from which they are shown in annotations.json, and in the journal."""

    result: Result
    threshold: float
    noted: float
    history: History | None = None

    @property
    def has_new_threshold(self) -> bool:
        """Whether other cells are shown than in annotations.json."""
        return len(self.result) > 0 and self.result.threshold != self.threshold


class Cells:
    """Cells by image.

    Parameters
    ----------
    store
        The content of annotations.json; `pack` adds the changes to it.
    images
        The images that the cells belong to.
    categories
        The categories, whose names are kept in every result.
    """

    def __init__(self, store: Store, images: ImageList, categories: Categories) -> None:
        self._store, self._images, self._categories = store, images, categories
        self._loaded: dict[int, _LoadedImage] = {}
        self._changed: set[int] = set()
        categories.changed.connect(self._name_all)

    def result(self, id: int) -> Result:
        """The cells of an image, read when first asked for.

        Raises
        ------
        BadImage, BadAnnotations
            If the image or its annotations cannot be used.
        """
        if id not in self._loaded:
            self.take(id, self._read(self._images[id]))
        return self._loaded[id].result

    def unread(self, id: int) -> int:
        """How many cells must be read before an image can be shown."""
        return 0 if id in self._loaded else self._store.count(self._images[id].file_name)

    def reader(self, id: int) -> Callable[[], Result]:
        """A function that reads the cells of an image in another thread, for `take`; raises as `result`."""
        entry, image = self._images[id], self._loaded.get(id)
        return partial(self._read, entry) if image is None else lambda: image.result

    def take(self, id: int, result: Result) -> None:
        """Use the result of a `reader`, unless the image was opened in the meantime."""
        if id not in self._loaded:
            self._name(result)
            self._loaded[id] = _LoadedImage(result, result.threshold, result.threshold)

    def _read(self, entry: ImageEntry) -> Result:
        if entry.shape is None:
            raise BadImage(self._images.problem(entry.id))
        name = entry.file_name
        if name not in self._store.images:
            result = Result(entry.shape, leading=entry.leading, name=Path(name).name)
        else:
            result = self._store.result(name)
        if (result.shape, result.leading) != (entry.shape, entry.leading):
            raise BadImage(
                f"{name} is annotated with {result.leading + result.shape} pixels, but it "
                f"has {entry.leading + entry.shape}. Put the old image back."
            )
        result.named_categories = True
        return result

    def history(self, id: int, on_edit: Callable[[int, Edit], None], *, refusal: str = "") -> History:
        """The history through which an image is changed; with a `refusal`, it refuses every change."""
        result = self.result(id)
        image = self._loaded[id]
        if image.history is None:
            image.history = History(result, closed=refusal)
            image.history.listen(lambda edit: self._on_edit(id, edit, on_edit))
        return image.history

    def close(self, reason: str) -> None:
        """Refuse every edit from now on."""
        for image in self._loaded.values():
            if image.history is not None:
                image.history.closed = reason

    def _on_edit(self, id: int, edit: Edit, then: Callable[[int, Edit], None]) -> None:
        self._changed.add(id)
        then(id, edit)

    def replay(self, id: int, record: object) -> None:
        """Make the edit, or add the crowd regions, that a record of the journal describes.

        Raises
        ------
        BadRecord, BadImage, BadAnnotations
            If it does not fit the image.
        """
        result = self.result(id)
        if isinstance(record, dict) and "crowds" in record:
            self._add_crowds(
                id, [(index, c) for index, _, c in state_of(_as_cells(record), result).cells if c is not None]
            )
        else:
            state_of(record, result).apply(result)
        self._changed.add(id)

    def new_threshold(self, id: int) -> Record:
        """The record of the score from which an image's cells are shown, if the journal does not have it yet; else empty."""
        image = self._loaded[id]
        if image.noted == image.result.threshold:
            return {}
        image.noted = image.result.threshold
        return {"image": id, "threshold": float(image.noted)}

    def replay_threshold(self, id: int, value: object) -> None:
        """Show the cells of an image from a score on; raises `BadRecord` if it is none, else as `result`."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise BadRecord(f"{value!r} is not a score")
        self.result(id).threshold = self._loaded[id].noted = float(value)
        self._changed.add(id)

    def crowds(self, id: int) -> dict[Index, tuple[Instance, ...]]:
        """The crowd regions of an image by plane; raises as `result`."""
        return self._store.regions(self._images[id].file_name)

    def add_crowds(self, id: int, regions: Mapping[Index, Sequence[Instance]]) -> Record:
        """Add crowd regions that an image lacks; returns the record for the journal, empty if it has them all."""
        known = self.crowds(id)
        new = [(i, r) for i, found in regions.items() for r in found if not _has(known.get(i, ()), r)]
        if not new:
            return {}
        self._add_crowds(id, new)
        self._changed.add(id)
        return {
            "name": "crowd regions",
            "crowds": [[list(i), n, cell_record(r)] for n, (i, r) in enumerate(new, start=1)],
        }

    def _add_crowds(self, id: int, new: Iterable[tuple[Index, Instance]]) -> None:
        by_plane: dict[Index, list[Instance]] = {}
        for index, region in new:
            by_plane.setdefault(index, []).append(region)
        self._put(id, by_plane)

    def name(self, id: int) -> None:
        """Give an image's result the names of the categories."""
        self._name(self.result(id))

    def _name_all(self) -> None:
        for image in self._loaded.values():
            self._name(image.result)

    def _name(self, result: Result) -> None:
        if result.categories != self._categories.names:
            result.categories = self._categories.names
        for plane in result.planes.values():
            plane.categories = dict(result.categories)

    def uses(self, id: int) -> set[int]:
        """Categories of an image's cells."""
        if id in self._loaded:
            crowds = self._store.crowds(self._images[id].file_name)
            return {c.category for c in self._loaded[id].result} | {crowd["category_id"] for crowd in crowds}
        return self._store.uses(self._images[id].file_name)

    def remembered(self, id: int) -> set[int]:
        """Categories of the cells that undo and redo can bring back."""
        image = self._loaded.get(id)
        return set() if image is None or image.history is None else image.history.categories

    def mark(self, id: int) -> None:
        """Note that an image in memory differs from the store."""
        self._changed.add(id)

    @property
    def changed(self) -> set[int]:
        """Images with edits that are not saved."""
        return set(self._changed)

    @property
    def touched(self) -> set[int]:
        """Images whose entries in annotations.json are outdated: edited, or shown from another score on."""
        return self._changed | {id for id, image in self._loaded.items() if image.has_new_threshold}

    @property
    def thresholds(self) -> tuple[tuple[int, float], ...]:
        """The scores from which the cells of `touched` images are shown."""
        return tuple((id, self.result(id).threshold) for id in sorted(self.touched))

    def unpacked(self) -> list[tuple[list[tuple[Key, Instance]], tuple[int, int]]]:
        """For each changed image the cells that `pack` would have to pack, and (H, W)."""
        results = [(self._images[id].file_name, self.result(id)) for id in sorted(self.touched)]
        return [(self._store.unpacked(name, result), result.shape) for name, result in results]

    def pack(self) -> None:
        """Bring the store up to date with the images in memory."""
        with paused_collection():
            for id in sorted(self.touched):
                self._put(id)

    def _put(self, id: int, crowds: Mapping[Index, Sequence[Instance]] = MappingProxyType({})) -> None:
        entry = self._images[id]
        extra = {k: v for k, v in {"group": entry.group, "pixel_size_um": entry.pixel_size_um}.items() if v}
        self._store.put(entry.file_name, self.result(id), image_id=id, extra=extra, new_crowds=crowds)

    def note_saved(self) -> None:
        """Note that annotations.json is up to date."""
        self._changed.clear()
        for image in self._loaded.values():
            image.threshold = image.noted = image.result.threshold

    def remove(self, id: int) -> Callable[[], None]:
        """Remove an image; returns a function that restores its cells."""
        image, was_changed = self._loaded.pop(id, None), id in self._changed
        self._changed.discard(id)

        def put_back() -> None:
            if image is not None:
                self._loaded[id] = image
            if was_changed:
                self._changed.add(id)

        return put_back

    def predictions(
        self, id: int, planes: Mapping[Index, Instances], ids: Mapping[str, int], model: str
    ) -> list[Change]:
        """Changes that replace a model's earlier cells; `ids` gives the id of each category name."""
        result, changes = self.result(id), list[Change]()
        for index, plane in planes.items():
            numbers = {c: ids[name] for c, name in plane.categories.items()}
            own = (renamed(i, numbers, plane.categories, self._categories.by_id) for i in plane)
            cells = Instances(plane.shape, [replace(i, source=model) for i in own], categories=result.categories)
            changes += replace_predictions(result, index, cells)
        return changes

    def whole_regions(self, id: int) -> list[RegionChange]:
        """Changes that mark every plane as reviewed."""
        result = self.result(id)
        whole = ((0, 0, *result.shape),)
        planes: Iterable[Index] = (tuple(map(int, index)) for index in np.ndindex(*result.leading))
        return [RegionChange(index, result.reviewed(index), whole) for index in planes]


def _as_cells(record: Record) -> Record:
    """A record of crowd regions as one of an edit, to be checked in the same way."""
    return {"name": record.get("name"), "cells": record["crowds"]}


def _has(regions: Iterable[Instance], region: Instance) -> bool:
    """Whether one of the regions has the same pixels."""
    return any(r.box == region.box and np.array_equal(r.mask, region.mask) for r in regions)
