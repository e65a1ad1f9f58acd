"""The review of an image: its cells as columns, updated with every edit, and the queue of uncertain ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal
from weakref import ref

import numpy as np
from napari.utils.notifications import show_info
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_centermask.core import review
from napari_centermask.core.columns import Columns
from napari_centermask.core.history import Change, RegionChange
from napari_centermask.io.reviewed import is_centred
from napari_centermask.widgets.work.connections import stop_timer

if TYPE_CHECKING:
    from napari_centermask.core.history import Edit
    from napari_centermask.core.instances import Box, Instance
    from napari_centermask.core.result import Index
    from napari_centermask.widgets.edit.session import EditSession

_AT_ONCE = 30  # cells measured between two turns of the event loop: about 4 ms


def review_of(edits: EditSession) -> Review:
    """The review of an image, made on first use; `select_next` follows its queue."""
    return edits.shown.part(Review, lambda: Review(edits))


def select_next(edits: EditSession, *, step: int = 1) -> None:
    """Select and centre the next cell of the review's queue; after the last comes the first.

    In stacks without a review, and when nothing is left to review, it goes through the cells of the current plane, and says
    so if there is none.

    Parameters
    ----------
    step
        1 for the next cell, -1 for the one before.
    """
    edits.finish()
    reviewed = edits.shown.has(Review) or not edits.result.leading  # the queue of a stack would leave the plane
    ids = (review_of(edits).queue() if reviewed else []) or sorted(edits.result.visible(edits.current_plane).ids)
    if not ids:
        show_info("There is no cell to go to: none is shown in this plane.")
        return
    if edits.selected and edits.selected[0] in ids:
        edits.select((ids[(ids.index(edits.selected[0]) + step) % len(ids)],), centre=True)
    else:
        edits.select((ids[0 if step > 0 else -1],), centre=True)


class Review:
    """Which cells have been reviewed, and which come next.

    Attributes
    ----------
    changed
        Emitted with the rows of `columns` that changed; None for all.
    measured
        Emitted when overlap and shape of all cells have been measured.
    by
        Order of the queue: "doubt" or "training_value" (see `core.review`).
    """

    changed = Signal(object)
    measured = Signal()

    def __init__(self, edits: EditSession) -> None:
        self._edits = ref(edits)
        self.columns: Columns = edits.shown.columns
        self.by: review.By = "doubt"
        edits.edited.connect(self._on_edited)
        self._timer = QTimer()
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._measure_some)
        self._timer.start()

    @property
    def edits(self) -> EditSession:
        """The correction of the image; the review does not keep it alive."""
        return self._edits()

    @property
    def progress(self) -> review.ReviewCount:
        """How many cells of the image have been reviewed."""
        return review.count_reviewed(self.columns)

    @property
    def active(self) -> int | None:
        """The id of the active cell."""
        return self.edits.selected[0] if self.edits.selected else None

    def queue(self) -> list[int]:
        """Ids of the cells to review, the most important first; the active cell keeps its place."""
        return review.queue(self.columns, self.active, by=self.by, measure=False)

    def reason(self) -> str:
        """Why the active cell is uncertain; empty if it is not, or there is none."""
        row = self.columns.row(self.active)
        return "" if row is None else review.reason(self.columns, row)

    def go_on(self, *, step: int = 1) -> bool:
        """Select and centre the next uncertain cell; False if none is left."""
        waiting = review.unreviewed(self.columns, self.columns.alive())
        if len(waiting):
            select_next(self.edits, step=step)
        return len(waiting) > 0

    def judge(self, tool: Literal["accept", "reject"]) -> None:
        """Accept or reject the selected cells and go to the next one; with none selected, go to the first."""
        self.edits.run_tool(tool)
        self.go_on()

    def mark(self, box: Box, *, plane: Index | None = None) -> int:
        """Mark a rectangle of a plane as reviewed; its cells become accepted.

        Parameters
        ----------
        box
            (y0, x0, y1, x1) in pixels; cut to the image.
        plane
            By default the current plane.

        Returns
        -------
        int
            Number of cells that were accepted: those shown whose centre of mass lies inside.
        """
        self.edits.finish()
        result = self.edits.result
        plane = self.edits.current_plane if plane is None else plane
        height, width = result.shape
        y0, x0, y1, x1 = box
        box = max(0, y0), max(0, x0), min(height, y1), min(width, x1)
        if box[0] >= box[2] or box[1] >= box[3]:
            return 0
        near = [self.columns.cell(row) for row in self.columns.meeting(plane, box)]
        inside = [c for c in near if c.status == "predicted" and result.shows(c) and is_centred(c, [box])]
        before = result.reviewed(plane)
        after = (*(b for b in before if not _within(b, box)), box)
        changes = [_accept(plane, cell) for cell in inside]
        self.edits.do("reviewed region", changes, (RegionChange(plane, before, after),))
        return len(inside)

    def unmark(self, box: Box, *, plane: Index | None = None) -> None:
        """Remove a reviewed rectangle; its cells stay as they are."""
        plane = self.edits.current_plane if plane is None else plane
        before = self.edits.result.reviewed(plane)
        self.edits.do("removal of a reviewed region", (), (RegionChange(plane, before, _without(before, box)),))

    def end(self) -> None:
        """The image's result is no longer shown: stop measuring."""
        stop_timer(self._timer)

    def refresh(self) -> None:
        """Update what is shown, for instance after the threshold changed."""
        self.changed.emit(None)
        self._timer.start()

    def _on_edited(self, edit: Edit) -> None:
        rows = self.columns.update(edit)
        if len(rows) <= _AT_ONCE:
            self.columns.measure(rows)
        self.changed.emit(rows)
        self._timer.start()

    def _measure_some(self) -> None:
        if not self.columns.measure_some(_AT_ONCE):
            self._timer.stop()
            self.measured.emit()


def _accept(plane: Index, cell: Instance) -> Change:
    return Change(plane, cell.id, cell, replace(cell, status="accepted"))


def _within(inner: Box, outer: Box) -> bool:
    return bool((np.array(inner[:2]) >= outer[:2]).all() and (np.array(inner[2:]) <= outer[2:]).all())


def _without(boxes: tuple[Box, ...], box: Box) -> tuple[Box, ...]:
    return tuple(b for b in boxes if b != tuple(box))
