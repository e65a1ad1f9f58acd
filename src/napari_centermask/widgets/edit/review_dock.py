"""The dock Review: uncertain cells first, a table linked to the canvas, regions, and the check."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from napari.utils.notifications import show_info
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QTabWidget

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage, UserError
from napari_centermask.widgets.edit.allowed import ReviewState, review_refusals
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.drawing import draw
from napari_centermask.widgets.edit.quality_box import QualityBox
from napari_centermask.widgets.edit.region_layer import RegionLayer
from napari_centermask.widgets.edit.review import Review, review_of
from napari_centermask.widgets.edit.review_view import TIPS, JudgeBox, RegionsBox, TableBox
from napari_centermask.widgets.parts.help import HelpButton
from napari_centermask.widgets.parts.layout import WIDTH, label, row, scroll_column
from napari_centermask.widgets.parts.message_bar import MessageBar
from napari_centermask.widgets.parts.pickers import LayerCombo, hint
from napari_centermask.widgets.segment.scope import view_of
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.viewer.view import go_to_plane
from napari_centermask.widgets.work.connections import Connections, single_shot
from napari_centermask.widgets.work.gate import notify

if TYPE_CHECKING:
    from napari_centermask.core.quality import Finding
    from napari_centermask.widgets.edit.session import EditSession

_WAIT_MS = 60  # edits in quick succession sort the table once


class ReviewDock(Dock):
    """Review an image's cells.

    The dock is a view: the cells hold what was reviewed, and `review.Review` the queue; both outlive it.
    """

    title = "Review"
    hint = (
        "▶ goes to the most uncertain cell: accept, reject or correct it. Where every cell is right and none "
        "is missing, mark a region: training relies on it."
    )

    def _set_up(self) -> None:
        self.session = self._state.session
        self.autosaves = self._state.autosaves
        self.review: Review | None = None
        self.region_layer = RegionLayer(self._viewer)
        self._changed: set[int] | None = set()
        self._later = single_shot(self, _WAIT_MS, self.settle)
        self._review_links = Connections()
        self._build()
        self._connect()
        self._bind()

    def _build(self) -> None:
        self.image = LayerCombo(self._viewer, kinds=(Image,), meant=self.session.image_of)
        self.message = MessageBar()
        self.judging, self.cells = JudgeBox(), TableBox()
        self.regions, self.quality = RegionsBox(), QualityBox()
        self.tabs = QTabWidget()
        for box, title in ((self.cells, "Cells"), (self.regions, "Regions"), (self.quality, "Check")):
            self.tabs.addTab(box, title)
        layout = scroll_column(self)
        layout.setSpacing(8)
        layout.addWidget(row(label("Layer"), self.image, HelpButton("review"), stretch=1))
        layout.addWidget(self.message)
        layout.addWidget(self.judging)
        layout.addWidget(self.tabs, 1)

    def sizeHint(self) -> QSize:
        """Room for a table."""
        return QSize(WIDTH, 640)

    def _connect(self) -> None:
        self.links.add(self.image.picked, self._bind)
        self.links.add(self.judging.first.activated, self._on_first)
        self.links.add(self.judging.previous.clicked, lambda: self.review.go_on(step=-1))
        self.links.add(self.judging.next.clicked, lambda: self.review.go_on())
        self.links.add(self.judging.accept.clicked, lambda: self._change(lambda: self.review.judge("accept")))
        self.links.add(self.judging.reject.clicked, lambda: self._change(lambda: self.review.judge("reject")))
        self.links.add(self.cells.filtered, self._on_filtered)
        self.links.add(self.cells.table.picked, self._on_picked)
        self.links.add(self.regions.view.clicked, self._on_view_right)
        self.links.add(self.regions.draw.clicked, self._on_draw)
        self.links.add(self.regions.whole.clicked, self._on_whole_right)
        self.links.add(self.regions.removed, lambda box: self._change(lambda: self.review.unmark(box)))
        self.links.add(self.quality.wanted, lambda: self.quality.check(self.review.columns))
        self.links.add(self.quality.picked, self._on_finding)
        self.links.add(self.session.changed, self._on_result_changed)
        self.links.add(self.autosaves.offered, self._show_offer)
        self.links.on_end(self._review_links.end)
        self.links.on_end(partial(self.session.canvas.drop, self._bind))

    @property
    def edits(self) -> EditSession | None:
        """The correction of the chosen image; None while it has no cells."""
        return None if self.review is None else self.review.edits

    def _bind(self) -> None:
        """Show the chosen image."""
        self.session.canvas.drop(self._bind)
        source = self.image.layer
        shown = self.session.shown(source)
        review = None if shown is None else review_of(edit_session_of(self.session, source))
        if review is not self.review:
            self._review_links.end()
            self.review = review
            if review is not None:
                edits = review.edits
                self._review_links.add(review.changed, self._on_changed)
                self._review_links.add(review.measured, self._on_measured)
                self._review_links.add(edits.selection_changed, self._on_selected)
                self._review_links.add(edits.plane_changed, self._on_plane_changed)
                self._review_links.add(edits.flat_changed, self._refresh)
            if review is not None:
                review.by = self.judging.first.currentData()
            self.quality.clear()
            self.cells.table.set_columns(None if review is None else review.columns)
            self.cells.here.setVisible(review is not None and bool(review.edits.result.leading))
        self._show_offer()
        self._refresh()

    def _show_offer(self, *_: object) -> None:
        """Offer unsaved work from an earlier session on the chosen image."""
        source, autosaves = self.image.layer, self.autosaves
        if autosaves.offer(source) is None:
            self.message.clear()
            return
        buttons = [("Restore", lambda: autosaves.restore(source)), ("Discard", lambda: autosaves.discard(source))]
        self.message.show_message(autosaves.describe(source), buttons)

    def _on_first(self) -> None:
        if self.review is not None:
            self.review.by = self.judging.first.currentData()

    def _on_result_changed(self, source: Image) -> None:
        if source is not self.image.layer:
            return
        if self.review is None and self.session.canvas.is_entering:
            self.session.canvas.soon(self._bind)
            return
        before = self.review
        self._bind()
        if self.review is not None and self.review is before:
            self.review.refresh()

    def _on_changed(self, rows: np.ndarray | None) -> None:
        if rows is None or self._changed is None:
            self._changed = None
        else:
            self._changed.update(rows.tolist())
        self._later.start()

    def _on_measured(self) -> None:
        self._changed = None
        self._later.start()

    def settle(self) -> None:
        """Update all parts after edits now; otherwise this happens shortly after them."""
        self._later.stop()
        rows, self._changed = self._changed, set()
        if self.review is not None:
            self.cells.table.cells.refresh(rows)
            self.quality.mark_stale()
        self._refresh()

    @property
    def state(self) -> ReviewState:
        """What the buttons depend on."""
        if self.review is None:
            return ReviewState()
        progress = self.review.progress
        edits = self.review.edits
        n_waiting, has_active = progress.total - progress.done, self.review.active is not None
        return ReviewState(True, edits.is_flat, n_waiting, has_active, edits.history.closed)

    def _refresh(self, *_: object) -> None:
        """Show the progress, the active cell and the regions, and enable what can work."""
        review = self.review
        self.judging.show_progress(None if review is None else review.progress)
        active = None if review is None else review.active
        self.judging.show_cell(active, "" if active is None else review.reason())
        boxes = () if review is None else review.edits.result.reviewed(review.edits.current_plane)
        refusals = review_refusals(self.state)
        shape = (1, 1) if review is None else review.edits.result.shape
        self.regions.show_boxes(boxes, shape, refused=refusals.pop("remove"))
        self.region_layer.show(self.image.layer, boxes)
        buttons = {**self.judging.buttons, **self.regions.buttons, "check": self.quality.start}
        for name, reason in refusals.items():
            hint(buttons[name], reason or TIPS[name], enabled=not reason)

    def _on_selected(self, ids: tuple[int, ...]) -> None:
        self.cells.table.show_selection(ids)
        self.judging.show_cell(self.review.active, self.review.reason())
        self._later.start()

    def _on_plane_changed(self, plane: tuple[int, ...]) -> None:
        if self.cells.here.isChecked():
            self._on_filtered()
        self._refresh()

    def _on_filtered(self) -> None:
        self.cells.apply(() if self.review is None else self.review.edits.current_plane)

    def _on_picked(self, ids: list[int]) -> None:
        self.review.edits.select(ids, centre=True)

    def _on_view_right(self) -> None:
        try:
            corners = view_of(self.image.layer, self.review.edits.planes)
        except BadImage as error:
            show_info(str(error))
            return
        (y0, x0), (y1, x1) = corners.min(axis=0).round().astype(int), corners.max(axis=0).round().astype(int)
        self.mark((int(y0), int(x0), int(y1), int(x1)))

    def _on_whole_right(self) -> None:
        self.mark((0, 0, *self.review.edits.result.shape))

    def _on_draw(self) -> None:
        self._change(lambda: draw(self.review.edits, "box", self._on_drawn))

    def _on_drawn(self, corners: np.ndarray) -> None:
        (y0, x0), (y1, x1) = np.round(corners.min(axis=0)).astype(int), np.round(corners.max(axis=0)).astype(int) + 1
        self.mark((int(y0), int(x0), int(y1), int(x1)))

    def mark(self, box: tuple[float, float, float, float]) -> None:
        """Mark a rectangle (y0, x0, y1, x1) of the current plane as reviewed."""
        y0, x0, y1, x1 = (round(v) for v in box)
        n = self._change(lambda: self.review.mark((y0, x0, y1, x1)))
        if n is not None:
            show_info(f"{counted(n, 'cell')} accepted.")

    @staticmethod
    def _change(change: Callable[[], Any]) -> Any:
        """Change cells; an error, for instance in a read-only project, becomes a notification."""
        try:
            return change()
        except UserError as error:
            notify(str(error), error.page)
            return None

    def _on_finding(self, finding: Finding) -> None:
        edits = self.review.edits
        if finding.ids:
            edits.select(finding.ids, centre=True)
        elif finding.plane != edits.current_plane:
            go_to_plane(self._viewer, self.image.layer, edits.planes, finding.plane)
