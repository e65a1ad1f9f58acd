"""The cells of an image of any size on the disk: OME-Zarr labels and a table, written from top to bottom while they are found.

Cells that share a pixel go to different label images, so nothing is lost. A row of chunks is written when no further cell can
reach into it. What has not been written yet is in a small file that is replaced after each step, so that a run that was stopped
or killed goes on there: what it wrote after that is written again, the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.compose import part_in
from napari_centermask.core.errors import CannotSave
from napari_centermask.core.instances import Box, Instance, Instances, intersection
from napari_centermask.core.result import Index, Result
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.formats import fields
from napari_centermask.io.formats.cell_correction import IN_USE, NOTE, NUMBER
from napari_centermask.io.formats.cell_parts import CellParts
from napari_centermask.io.formats.ome_zarr_arrays import CHUNK, PlaneArray, levels_of, set_attributes
from napari_centermask.io.lock import FolderLock, lock_folder
from napari_centermask.io.own_files import LOCK
from napari_centermask.io.packed_waiting import pack_cells, unpack_cells
from napari_centermask.io.whole_file import cannot_save, whole_file
from napari_centermask.io.zarr_groups import attributes, open_group, zarr_package

STATE = ".unfinished.json"
"""In the folder of the cells, until the run is finished."""
_DAMAGED = (OSError, ValueError, LookupError, TypeError)
_UNREADABLE = (*_DAMAGED, ArithmeticError, AttributeError, RuntimeError)


@dataclass(frozen=True)
class LargePlaces:
    """Where the cells of an image go.

    Attributes
    ----------
    cells
        The OME-Zarr folder.
    table
        The folder of Parquet files.
    """

    cells: Path
    table: Path

    @classmethod
    def named(cls, folder: Path, name: str) -> LargePlaces:
        """NAME_cells.ome.zarr and NAME_cells.parquet in a folder."""
        return cls(folder / f"{name}_cells.ome.zarr", folder / f"{name}_cells.parquet")

    def state(self, command: Mapping[str, Any]) -> dict[str, Any] | None:
        """How far a run of this command came here; None if there is none, or it was another command."""
        try:
            state: dict[str, Any] = json.loads((self.cells / STATE).read_bytes())
            return state if state["command"] == json.loads(json.dumps(dict(command))) else None
        except _DAMAGED:
            return None

    def check_free(self) -> None:
        """Refuse to replace cells that a person corrected, or is correcting.

        Raises
        ------
        CannotSave
            With what to do.
        """
        if not self.cells.is_dir():
            return
        lock = lock_folder(self.cells, sentence=IN_USE) if (self.cells / LOCK).exists() else ""
        if isinstance(lock, FolderLock):
            lock.release()
        elif lock:
            raise CannotSave(f"{lock} Put that back first, or choose another folder.")
        if (self.cells / NOTE).exists() or _corrections(self.cells):
            raise CannotSave(
                f"{self.cells} has cells that were corrected, and they are not replaced. Move {self.cells.name} and "
                f"{self.table.name} elsewhere, or choose another folder."
            )

    def remove(self) -> None:
        """Remove the cells and their table."""
        shutil.rmtree(self.cells, ignore_errors=True)
        shutil.rmtree(self.table, ignore_errors=True)


@dataclass(frozen=True)
class LargeForm:
    """What the cells belong to.

    Attributes
    ----------
    name
        Of the image.
    leading, shape
        Sizes of the axes before height and width, and (H, W).
    categories
        Names by id.
    version
        Of OME-Zarr: "0.4" or "0.5".
    pixel_sizes_um
        Height and width of a pixel; None if they are not known.
    """

    name: str
    leading: tuple[int, ...]
    shape: tuple[int, int]
    categories: Mapping[int, str]
    version: str = "0.4"
    pixel_sizes_um: tuple[float, float] | None = None


class LargeWriter:
    """Writes the cells of an image from top to bottom, plane by plane.

    Parameters
    ----------
    state
        What `state` gave when the run was stopped; None for a new run, which replaces what is there.

    Raises
    ------
    CannotSave
        If the folders cannot be written, or hold cells that were corrected.
    """

    def __init__(self, places: LargePlaces, form: LargeForm, state: Mapping[str, Any] | None = None) -> None:
        self.places, self.form = places, form
        self._table = CellParts(places.table)
        self._layers: list[PlaneArray] = []
        self._plane_of: dict[int, int] = {}
        self._live = Instances(form.shape)
        self._top, self._part, self.n_cells = 0, 0, 0
        if state is None:
            places.check_free()
        with saving(places.cells):
            self._begin() if state is None else self._continue(state)

    def _begin(self) -> None:
        self.places.remove()
        self.places.table.mkdir(parents=True)  # also if no cell is found
        self.places.cells.parent.mkdir(parents=True, exist_ok=True)
        kind = 2 if self.form.version == "0.4" else 3
        root = zarr_package().open_group(store=str(self.places.cells), mode="w", zarr_format=kind)
        self._count = self._array(root, "number of cells", "uint8")
        self._labels = root.create_group("labels")
        self._add_layer()

    def _continue(self, state: Mapping[str, Any]) -> None:
        root = zarr_package().open_group(store=str(self.places.cells), mode="r+")
        self._labels = root["labels"]
        self._count = self._array(root, "number of cells", "uint8", is_new=False)
        for n in range(state["layers"]):
            name = f"cells_{n}"
            self._layers.append(self._array(self._labels[name], name, "int32", is_new=False))
        self._top, self._part, self.n_cells = state["top"], state["part"], state["n_cells"]
        cells = unpack_cells(state["live"])
        self._plane_of = dict(zip((c.id for c in cells), state["live_layers"], strict=True))
        self._live = Instances(self.form.shape, cells, are_checked=True)
        self._table.drop_from(self._part)

    def _array(self, group: Any, name: str, dtype: str, *, is_new: bool = True) -> PlaneArray:
        form = self.form
        return PlaneArray(
            *(group, form.leading, form.shape),
            name=name,
            version=form.version,
            dtype=dtype,
            levels=levels_of(form.shape),
            pixel_sizes_um=form.pixel_sizes_um,
            is_new=is_new,
        )

    def _add_layer(self) -> None:
        name = f"cells_{len(self._layers)}"
        group = self._labels.create_group(name, overwrite=True)  # a killed run may have made it
        self._layers.append(self._array(group, name, "int32"))
        self._describe()

    def _describe(self) -> None:
        """Write the attributes: the cells so far can be opened while the run goes on."""
        self._count.describe()
        for layer in self._layers:
            layer.describe(**{"image-label": {"version": self.form.version}})
        set_attributes(self._labels, self.form.version, {"labels": [layer.name for layer in self._layers]})
        result = Result(self.form.shape, leading=self.form.leading, name=self.form.name)
        result.categories = dict(self.form.categories)
        result.reserve(self.n_cells)
        own = fields.image_fields(result) | {"table": self.places.table.name}
        self._labels.attrs[KEY] = own

    def put(self, index: Index, cells: Sequence[Instance], line: int) -> None:
        """Write the cells of a step.

        Parameters
        ----------
        index
            The plane; a plane is complete when `line` is its height.
        cells
            With ids that no other cell of the image has.
        line
            Further cells of the plane have no pixel above this y.

        Raises
        ------
        CannotSave
            If they cannot be written. What `save` noted before stays, and a new writer goes on from there; this one may have
            taken a part of the cells, and its `state` is of no use any more.
        """
        with saving(self.places.cells):
            for cell in cells:
                self._place(cell)
            self._table.write(self._part, [(self._plane_of[c.id], c) for c in cells], index, self.form.categories)
            height = self.form.shape[0]
            while self._top < height and min(self._top + CHUNK, height) <= line:
                self._write_rows(index, self._top, min(self._top + CHUNK, height))
                self._top += CHUNK
        self._part += 1
        self.n_cells += len(cells)
        if line >= height:
            self._top, self._plane_of, self._live = 0, {}, Instances(self.form.shape)
            return
        rest = [c for c in self._live if c.box[2] > self._top]
        self._plane_of = {c.id: self._plane_of[c.id] for c in rest}
        self._live = Instances(self.form.shape, rest, are_checked=True)

    def _place(self, cell: Instance) -> None:
        """Choose the first label image in which nothing is in the cell's way."""
        met = self._live.meeting(cell.box)
        taken = {self._plane_of[other.id] for other in met if intersection(cell, other)}
        layer = next(n for n in range(len(taken) + 1) if n not in taken)
        while layer >= len(self._layers):
            self._add_layer()
        self._plane_of[cell.id] = layer
        self._live.add(cell, is_checked=True)

    def _write_rows(self, index: Index, y0: int, y1: int) -> None:
        """Write the chunks of some rows; those without cells are left out."""
        for x0 in range(0, self.form.shape[1], CHUNK):
            box = y0, x0, y1, min(x0 + CHUNK, self.form.shape[1])
            met = self._live.meeting(box)
            where = (*index, slice(y0, y1), slice(x0, box[3]))
            for n in sorted({self._plane_of[c.id] for c in met}):
                chunk = np.zeros((y1 - y0, box[3] - x0), np.int32)
                for cell in met:
                    if self._plane_of[cell.id] == n:
                        _draw(chunk, cell, box)
                self._layers[n].array[where] = chunk
            if met:
                self._count.array[where] = _count(met, box)

    def state(self) -> dict[str, Any]:
        """What a new `LargeWriter` needs to go on."""
        live = list(self._live)
        return {
            "layers": len(self._layers),
            "top": self._top,
            "part": self._part,
            "n_cells": self.n_cells,
            "live": pack_cells(live),
            "live_layers": [self._plane_of[c.id] for c in live],
        }

    def save(self, command: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Note how far the run is, in one step.

        Raises
        ------
        CannotSave
            If it cannot be written; what was noted before stays.
        """
        text = json.dumps({"command": dict(command), **state, "cells": self.state()})
        with whole_file(self.places.cells / STATE) as part:
            part.write_text(text, encoding="utf-8")

    def finish(self) -> Iterator[None]:
        """Write the smaller copies and the attributes, and end the run; yields in between.

        Raises
        ------
        CannotSave
            If they cannot be written.
        """
        with saving(self.places.cells):
            for array in (self._count, *self._layers):
                yield from array.shrink()
            self._describe()
            (self.places.cells / STATE).unlink(missing_ok=True)


def _corrections(cells: Path) -> int:
    """How many corrections are in a folder; 0 if it cannot be read."""
    try:
        return int(attributes(open_group(cells)["labels"])[KEY].get(NUMBER, 0))
    except _UNREADABLE:
        return 0


def _draw(chunk: np.ndarray, cell: Instance, box: Box) -> None:
    """Draw the part of a cell that is in a box into its chunk."""
    inside, window = part_in(cell, box)
    chunk[window][cell.mask[inside]] = cell.id


def _count(cells: Sequence[Instance], box: Box) -> np.ndarray:
    """How many cells lie on each pixel of a box, uint8; 255 stands for more."""
    count = np.zeros((box[2] - box[0], box[3] - box[1]), np.uint8)
    for cell in cells:
        inside, window = part_in(cell, box)
        part = count[window]
        part[cell.mask[inside] & (part < 255)] += 1
    return count


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Errors of the disk as `CannotSave`, with the remedy, and that the run can go on."""
    try:
        yield
    except CannotSave as error:
        raise CannotSave(f"{error} {_GOES_ON}") from error
    except OSError as error:
        raise CannotSave(f"{cannot_save(path, error)} {_GOES_ON}") from error


_GOES_ON = "Then start the same run again: it goes on where it stopped."
