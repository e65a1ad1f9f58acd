"""A correction of the cells that `large_cells` wrote: noted in one file, then written to the label images and the table.

The note holds all that changes, and comes first, in one step. Everything after it can be repeated. So if a correction is
interrupted, whoever opens the folder next finishes it, and nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.compose import part_in
from napari_centermask.core.errors import BadAnnotations, CannotSave, reason
from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.result import Index
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.formats.cell_parts import table_of
from napari_centermask.io.formats.ome_zarr_arrays import (
    PlaneArray,
    chunks_meeting,
    set_attributes,
    shrink_again,
    window_of,
)
from napari_centermask.io.formats.zarr_store import open_to_correct
from napari_centermask.io.lock import lock_folder
from napari_centermask.io.packed_waiting import pack_cells, unpack_cells
from napari_centermask.io.whole_file import sync_folder, whole_file
from napari_centermask.io.zarr_groups import attributes

NOTE = ".correction.json"
"""In the folder of the cells, until the correction is finished."""
NUMBER = "corrections"
"""In the attributes of the labels, under our key: how many corrections were finished."""
IN_USE = "A part of {name} is being corrected in {holder}."
_DAMAGED = (OSError, ValueError, LookupError, TypeError)


@dataclass(frozen=True)
class Placed:
    """Where the pixels of a cell are: its id, the number of its label image, and its box (y0, x0, y1, x1)."""

    id: int
    label_image: int
    box: Box


@dataclass(frozen=True)
class Correction:
    """What changes in a plane.

    Attributes
    ----------
    number
        Of the correction, 1 for the first one.
    index
        The plane.
    gone
        The cells to erase; those that were changed are also in `cells`.
    cells
        The cells to write, each with the number of its label image.
    part
        The part of the table that gets their rows.
    last_id
        The largest id that a cell of the image has, or ever had.
    categories
        Names of all categories by id.
    reviewed
        The reviewed rectangles of the plane.
    """

    number: int
    index: Index
    gone: tuple[Placed, ...]
    cells: tuple[tuple[int, Instance], ...]
    part: int
    last_id: int
    categories: Mapping[int, str]
    reviewed: tuple[Box, ...] = ()

    def note(self, folder: Path) -> None:
        """Write the note.

        Raises
        ------
        CannotSave
            If it cannot be written; then nothing has changed.
        """
        values = {
            "number": self.number,
            "index": self.index,
            "gone": [[p.id, p.label_image, *p.box] for p in self.gone],
            "cells": pack_cells([cell for _, cell in self.cells]),
            "label_images": [n for n, _ in self.cells],
            "part": self.part,
            "last_id": self.last_id,
            "categories": {str(id): name for id, name in self.categories.items()},
            "reviewed": self.reviewed,
        }
        with whole_file(folder / NOTE) as part:
            part.write_text(json.dumps(values, default=int), encoding="utf-8")

    @classmethod
    def noted(cls, folder: Path) -> Correction:
        """Read the note.

        Raises
        ------
        BadAnnotations
            If it is damaged.
        """
        try:
            values = json.loads((folder / NOTE).read_bytes())
            return cls(
                int(values["number"]),
                tuple(map(int, values["index"])),
                tuple(Placed(int(id), int(n), _box(box)) for id, n, *box in values["gone"]),
                tuple(zip(map(int, values["label_images"]), unpack_cells(values["cells"]), strict=True)),
                int(values["part"]),
                int(values["last_id"]),
                {int(id): str(name) for id, name in values["categories"].items()},
                tuple(map(_box, values["reviewed"])),
            )
        except _DAMAGED as error:
            raise BadAnnotations(
                f"{folder / NOTE}, the note of a correction that was interrupted, cannot be read: {reason(error)}. Copy the "
                "folder again."
            ) from error

    def carry_out(self, folder: Path) -> None:
        """Write what the note says, and remove it; can be repeated.

        Raises
        ------
        CannotSave
            If something cannot be written. The note stays.
        """
        root = open_to_correct(folder)
        labels = root["labels"]
        names = self._label_images(root)
        touched = {n: chunks_meeting(self._boxes(n), _plane_of(root)) for n in range(len(names))}
        for n, chunks in touched.items():
            self._redraw(_sizes_of(labels[names[n]]), n, chunks)
        self._count(
            root, [labels[name]["0"] for name in names], sorted({c for chunks in touched.values() for c in chunks})
        )
        own = dict(labels.attrs[KEY])
        table = table_of(folder, own)
        if table is None:
            raise BadAnnotations(f"{folder.name} has no table beside it. Bring the folder {own.get('table')} back.")
        table.exchange(self.part, [p.id for p in self.gone], self.cells, self.index, self.categories)
        self._describe(labels, names, own)
        _remove_note(folder)

    def _boxes(self, n: int) -> list[Box]:
        """The boxes of all that changes in a label image."""
        return [p.box for p in self.gone if p.label_image == n] + [c.box for m, c in self.cells if m == n]

    def _label_images(self, root: Any) -> list[str]:
        """Names of the label images, after making those that are missing."""
        labels = root["labels"]
        names: list[str] = list(attributes(labels)["labels"])
        for n in range(len(names), 1 + max((n for n, _ in self.cells), default=0)):
            names.append(f"cells_{n}")
            _add_label_image(labels, names[0], names[-1])
        return names

    def _redraw(self, arrays: list[Any], n: int, chunks: Sequence[Box]) -> None:
        """Erase and draw in a label image and its smaller copies, chunk by chunk."""
        gone, cells = [p for p in self.gone if p.label_image == n], [c for m, c in self.cells if m == n]
        for box in chunks:
            where = window_of(self.index, box)
            before = np.asarray(arrays[0][where])
            chunk = before.copy()
            for one in gone:
                if (inside := _overlap(one.box, box)) is not None:
                    part = chunk[inside]
                    part[part == one.id] = 0
            for cell in cells:
                if _overlap(cell.box, box) is not None:
                    inside_cell, window = part_in(cell, box)
                    chunk[window][cell.mask[inside_cell]] = cell.id
            if not np.array_equal(chunk, before):
                arrays[0][where] = chunk
        shrink_again(arrays, self.index, chunks)

    def _count(self, root: Any, labels: Sequence[Any], chunks: Sequence[Box]) -> None:
        """Count the cells on each pixel again: each label image has at most one there."""
        arrays = _sizes_of(root)
        for box in chunks:
            where = window_of(self.index, box)
            arrays[0][where] = np.minimum(sum((np.asarray(a[where]) != 0).astype(np.uint16) for a in labels), 255)
        shrink_again(arrays, self.index, chunks)

    def _describe(self, labels: Any, names: Sequence[str], own: dict[str, Any]) -> None:
        """Write the attributes."""
        regions = [r for r in own.get("reviewed_regions", ()) if tuple(r["plane"]) != self.index]
        if self.reviewed:
            regions.append({"plane": list(self.index), "boxes": [list(box) for box in self.reviewed]})
        set_attributes(labels, _version(labels), {"labels": list(names)})
        labels.attrs[KEY] = own | {
            "categories": {str(id): name for id, name in self.categories.items()},
            "last_id": self.last_id,
            "reviewed_regions": regions,
            NUMBER: self.number,
        }


def finish_left_over(folder: Path) -> None:
    """Finish a correction that was interrupted; does nothing if there is none.

    Raises
    ------
    BadAnnotations
        If it cannot be finished, with the reason: the cells must not be read as they are.
    """
    if not (folder / NOTE).exists():
        return
    lock = lock_folder(folder, sentence=IN_USE)
    if isinstance(lock, str):
        raise BadAnnotations(
            f"{folder.name} has a correction that is not completely written, and must be before it is read. {lock} Try "
            "again when it is free, or can be written."
        )
    try:
        if (folder / NOTE).exists():  # not finished meanwhile
            Correction.noted(folder).carry_out(folder)
    except CannotSave as error:
        raise BadAnnotations(
            f"{folder.name} has a correction that is not completely written, and must be before it is read: {error}"
        ) from error
    finally:
        lock.release()


def free_label_images(
    labels: Sequence[Any], index: Index, gone: Collection[Placed], cells: Sequence[Instance]
) -> list[int]:
    """For each new cell the first label image in which no other cell is in its way; one that is not there yet if need be.

    Parameters
    ----------
    labels
        The label images in full size.
    gone
        Cells that are erased before.
    """
    if not cells:
        return []
    around = union_of([cell.box for cell in cells])
    taken = [_taken(array, n, index, gone, around) for n, array in enumerate(labels)]
    chosen = []
    for cell in cells:
        inside, window = part_in(cell, around)
        mask = cell.mask[inside]
        n = next((n for n, plane in enumerate(taken) if not (plane[window] & mask).any()), len(taken))
        if n == len(taken):
            taken.append(np.zeros((around[2] - around[0], around[3] - around[1]), bool))
        taken[n][window] |= mask
        chosen.append(n)
    return chosen


def _taken(array: Any, n: int, index: Index, gone: Collection[Placed], around: Box) -> np.ndarray:
    """Where a label image has cells that stay, (H, W) bool of a box."""
    window = np.asarray(array[window_of(index, around)])
    taken: np.ndarray = window != 0
    for one in gone:
        if one.label_image == n and (inside := _overlap(one.box, around)) is not None:
            taken[inside] &= window[inside] != one.id
    return taken


def union_of(boxes: Sequence[Box]) -> Box:
    """The smallest box around boxes (y0, x0, y1, x1)."""
    y0, x0, y1, x1 = zip(*boxes, strict=True)
    return min(y0), min(x0), max(y1), max(x1)


def _overlap(box: Box, window: Box) -> tuple[slice, slice] | None:
    """The part of a window that a box overlaps, as its rows and columns; None if there is none."""
    y0, x0 = max(box[0], window[0]), max(box[1], window[1])
    y1, x1 = min(box[2], window[2]), min(box[3], window[3])
    if y0 >= y1 or x0 >= x1:
        return None
    return slice(y0 - window[0], y1 - window[0]), slice(x0 - window[1], x1 - window[1])


def _box(values: Sequence[int]) -> Box:
    y0, x0, y1, x1 = map(int, values)
    return y0, x0, y1, x1


def _plane_of(group: Any) -> tuple[int, int]:
    """(H, W) of an image."""
    height, width = group["0"].shape[-2:]
    return int(height), int(width)


def _sizes_of(group: Any) -> list[Any]:
    """The arrays of an image, the largest first."""
    return [group[one["path"]] for one in attributes(group)["multiscales"][0]["datasets"]]


def _version(group: Any) -> str:
    return "0.5" if "ome" in dict(group.attrs) else "0.4"


def _remove_note(folder: Path) -> None:
    (folder / NOTE).unlink()
    sync_folder(folder)


def _add_label_image(labels: Any, like: str, name: str) -> None:
    """Make an empty label image like another one, in place of what an interrupted correction left there."""
    known = labels[like]
    arrays = _sizes_of(known)
    leading = tuple(map(int, arrays[0].shape[:-2]))
    version = _version(known)
    group = labels.create_group(name, overwrite=True)
    PlaneArray(group, leading, _plane_of(known), name=name, version=version, dtype="int32", levels=len(arrays))
    own = json.loads(json.dumps(dict(known.attrs)))
    (own["ome"] if version == "0.5" else own)["multiscales"][0]["name"] = name
    group.attrs.update(own)
