"""Correct a part of the cells that `large_cells` wrote: take it out, change it as the cells of any image, and put it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from napari_centermask.core.errors import BadAnnotations, CannotSave
from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.result import Index, Result
from napari_centermask.io.formats import fields
from napari_centermask.io.formats.cell_correction import (
    IN_USE,
    NOTE,
    Correction,
    Placed,
    finish_left_over,
    free_label_images,
    union_of,
)
from napari_centermask.io.formats.cells_on_disk import CellsOnDisk
from napari_centermask.io.large_cells import STATE
from napari_centermask.io.lock import lock_folder
from napari_centermask.io.whole_file import cannot_save


@dataclass(frozen=True)
class Part:
    """The cells of a part of a plane, as they are on the disk.

    Attributes
    ----------
    index, box
        The plane, and the box (y0, x0, y1, x1) whose cells were wanted.
    window
        The box that also holds the parts of those cells outside of `box`.
    cells
        Those that `box` meets, and all others that lie in `window`: by id, with the number of the label image of each.
    reviewed
        The reviewed rectangles of the plane.
    """

    index: Index
    box: Box
    window: Box
    cells: Mapping[int, tuple[int, Instance]]
    reviewed: tuple[Box, ...]

    def result(self, source: CellsOnDisk) -> Result:
        """The cells as those of a small image: that of the window, with the leading axes of the large one in length 1."""
        y0, x0, y1, x1 = self.window
        result = Result((y1 - y0, x1 - x0), leading=(1,) * len(self.index), name=source.path.name)
        result.categories = dict(source.categories)
        for _, cell in self.cells.values():
            result.set(self.inside, cell.id, _shifted(cell, -y0, -x0))
        result.set_reviewed(self.inside, [seen for _, seen in self.reviewed_inside()])
        result.reserve(_last_id(source))
        return result

    @property
    def inside(self) -> Index:
        """The plane in `result`."""
        return (0,) * len(self.index)

    def reviewed_inside(self) -> list[tuple[Box, Box]]:
        """The reviewed rectangles that reach into the window, each with the part of it there, as in `result`."""
        y0, x0, y1, x1 = self.window
        cut = [(box, (max(box[0], y0), max(box[1], x0), min(box[2], y1), min(box[3], x1))) for box in self.reviewed]
        return [(box, _moved(c, -y0, -x0)) for box, c in cut if c[0] < c[2] and c[1] < c[3]]


class LargeCorrection:
    """The right to correct the cells of a large image; nobody else has it until `end`.

    Parameters
    ----------
    path
        The OME-Zarr folder.

    Raises
    ------
    BadAnnotations
        If it is not what `segment` wrote for a large image, or that is not finished.
    CannotSave
        If it is being corrected elsewhere, or cannot be written.

    Attributes
    ----------
    source
        The cells on the disk.
    part
        What was taken, as it is on the disk; None before.
    """

    def __init__(self, path: Path) -> None:
        if (path / STATE).exists():
            raise BadAnnotations(
                f"{path.name} is not finished: `segment` was stopped there. Repeat that command until it ends, then correct "
                "the cells."
            )
        finish_left_over(path)
        lock = lock_folder(path, sentence=IN_USE)
        if isinstance(lock, str):
            raise CannotSave(f"{lock} Put that back first, or correct another image.")
        self._lock = lock
        self.part: Part | None = None
        try:
            self.source = CellsOnDisk.open(path)
        except BaseException:
            lock.release()
            raise

    def end(self) -> None:
        """Let others correct the cells; may be called twice."""
        self._lock.release()

    def take(self, box: Box, index: Index = ()) -> Part:
        """The cells whose boxes meet a box (y0, x0, y1, x1) of a plane, whole; they are what `put` compares with.

        Raises
        ------
        BadAnnotations
            If the cells are damaged.
        """
        whole = self.source
        box = max(box[0], 0), max(box[1], 0), min(box[2], whole.shape[0]), min(box[3], whole.shape[1])
        window = union_of([box, *(cell.box for cell in whole.cells(box, index))])
        cells = {c.id: (n, c) for n, c in whole.placed(window, index) if _is_within(c.box, window)}
        self.part = Part(index, box, window, cells, _about(whole).reviewed(index))
        return self.part

    def put(self, result: Result) -> int:
        """Write what was changed in the part that was taken; returns how many cells were changed, added or erased.

        Cells that `result` does not show are erased: rejected ones, and those below its threshold.

        Raises
        ------
        BadAnnotations
            If the cells were segmented again or corrected elsewhere meanwhile.
        CannotSave
            If it cannot be written. If only the note of the correction could be, it is finished with the next call, or when
            the folder is used next.
        """
        if self.part is None:
            raise ValueError("No part was taken.")
        try:
            return self._put(self.part, result)
        except OSError as error:
            raise CannotSave(cannot_save(self.source.path, error)) from error

    def _put(self, part: Part, result: Result) -> int:
        self._finish()
        part, correction = self._compared(part, result)
        if correction is None:
            return 0
        correction.note(self.source.path)
        self.part = part
        self._finish()
        return len({placed.id for placed in correction.gone} | {cell.id for _, cell in correction.cells})

    def _finish(self) -> None:
        """Carry out what is noted, and see that nobody else changed the cells."""
        path, known = self.source.path, self.source
        if (path / NOTE).exists():
            noted = Correction.noted(path)
            noted.carry_out(path)
            self.source = CellsOnDisk.open(path)
            return
        now = CellsOnDisk.open(path)
        if (path / STATE).exists() or (now.corrections, _last_id(now)) != (known.corrections, _last_id(known)):
            raise BadAnnotations(
                f"{path.name} was written anew since this part was taken out. Save the cells of the part to a file of their "
                "own, with 'Save cells…'."
            )

    def _compared(self, part: Part, result: Result) -> tuple[Part, Correction | None]:
        """The part as the result has it, and what differs; None if nothing does."""
        y0, x0, _, _ = part.window
        shown = [_shifted(cell, y0, x0) for cell in result.visible(part.inside)]
        unknown = next((c.id for c in shown if c.id not in part.cells and c.id <= _last_id(self.source)), 0)
        if unknown:
            raise ValueError(f"Cell {unknown} of the part has the id of a cell outside of it.")
        new = [c for c in shown if c.id not in part.cells or not c.equals(part.cells[c.id][1])]
        kept = {c.id for c in shown} - {c.id for c in new}
        gone = tuple(Placed(id, n, c.box) for id, (n, c) in part.cells.items() if id not in kept)
        reviewed = self._reviewed_now(part, result)
        categories = {**self.source.categories, **result.categories}
        is_same = (set(reviewed), categories) == (set(part.reviewed), dict(self.source.categories))
        if not new and not gone and is_same:
            return part, None
        places = free_label_images(self.source.labels, part.index, gone, new)
        placed = tuple(zip(places, new, strict=True))
        cells = {id: one for id, one in part.cells.items() if id in kept} | {c.id: (n, c) for n, c in placed}
        correction = Correction(
            self.source.corrections + 1,
            part.index,
            gone,
            placed,
            self.source.table.number_for({one.id for one in gone}),
            max(_last_id(self.source), result.last_id),
            categories,
            reviewed,
        )
        return replace(part, cells=cells, reviewed=reviewed), correction

    def _reviewed_now(self, part: Part, result: Result) -> tuple[Box, ...]:
        """The reviewed rectangles of the plane: those that the part has lost are gone, its new ones are added."""
        now = result.reviewed(part.inside)
        inside = part.reviewed_inside()
        lost = {box for box, cut in inside if cut not in now}
        known = {cut for _, cut in inside}
        y0, x0, _, _ = part.window
        return (
            *(box for box in part.reviewed if box not in lost),
            *(_moved(box, y0, x0) for box in now if box not in known),
        )


def _shifted(cell: Instance, y: int, x: int) -> Instance:
    return replace(cell, y0=cell.y0 + y, x0=cell.x0 + x)


def _moved(box: Box, y: int, x: int) -> Box:
    return box[0] + y, box[1] + x, box[2] + y, box[3] + x


def _is_within(box: Box, window: Box) -> bool:
    return box[0] >= window[0] and box[1] >= window[1] and box[2] <= window[2] and box[3] <= window[3]


def _about(source: CellsOnDisk) -> Result:
    """What stands beside the label images, without the cells."""
    result = Result(source.shape, leading=source.leading)
    fields.take_image_fields(result, source.about)
    return result


def _last_id(source: CellsOnDisk) -> int:
    return _about(source).last_id
