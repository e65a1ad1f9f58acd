"""The dock Viability: categories by threshold, counts by frame and image, measurements, figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from napari.layers import Image
from napari.utils.notifications import show_info
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QFileDialog

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import UserError
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.measure.export_part import ExportPart
from napari_centermask.widgets.parts.help import HelpButton
from napari_centermask.widgets.parts.layout import WIDTH, label, row, scroll_column
from napari_centermask.widgets.parts.pickers import LayerCombo, show_control
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.viability.classify_part import ClassifyPart
from napari_centermask.widgets.viability.controls import Controls, DockState, controls
from napari_centermask.widgets.viability.counts_box import CountsBox
from napari_centermask.widgets.viability.image_counts import ImageCounts
from napari_centermask.widgets.viability.layer import AS_BEFORE, MOST_CATEGORIES
from napari_centermask.widgets.viability.threshold import Viability, viability_of
from napari_centermask.widgets.viability.view import FiguresBox, ThresholdBox
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.viewer.view import go_to_plane
from napari_centermask.widgets.work.connections import Connections, single_shot
from napari_centermask.widgets.work.gate import notify

if TYPE_CHECKING:
    from napari_centermask.widgets.viewer.shown import Shown

Value = TypeVar("Value")

_SETTLE_MS = 500  # for keys and the wheel, the threshold is final after this time without a change
_WAIT_MS = 60  # edits in quick succession are counted once


class ViabilityDock(Dock):
    """Living and dead cells of an image, by a threshold on a probability.

    The dock is a view: `threshold.Viability` holds the threshold, and the cells hold their categories.
    """

    title = "Viability"
    hint = (
        "Choose the category that is dead, and move the threshold. Colours and counts follow while you drag; "
        "cells change when you let go."
    )

    def _set_up(self) -> None:
        self.session, self.projects = self._state.session, project_session_of(self._viewer)
        self.viability: Viability | None = None
        self._cell_links = Connections()
        self._coloured: list[Viability] = []  # the one above, after the dock was closed
        self._settle_later = single_shot(self, _SETTLE_MS, self._settle)
        self._refresh_later = single_shot(self, _WAIT_MS, self.refresh)
        self._build()
        self._connect()
        self._bind()

    def _build(self) -> None:
        self.image = LayerCombo(self._viewer, kinds=(Image,), meant=self.session.image_of)
        self.classification = ClassifyPart(self._settle)
        self.threshold, self.counts = ThresholdBox(), CountsBox()
        self.images, self.figures = ImageCounts(self.projects), FiguresBox()
        self.measuring = ExportPart(self.projects, self._ready_to_measure)
        self.export = self.measuring.button
        self.counts.tabs.addTab(self.images, "Images")
        self.counts.tabs.addTab(self.figures, "Figures")
        layout = scroll_column(self)
        layout.setSpacing(8)
        layout.addWidget(row(label("Layer"), self.image, HelpButton("viability#in-napari"), stretch=1))
        layout.addWidget(self.classification.box)
        layout.addWidget(self.threshold)
        layout.addWidget(self.counts, 1)
        layout.addWidget(self.export)

    def sizeHint(self) -> QSize:
        """Wide enough for the plot."""
        return QSize(WIDTH, 700)

    def _connect(self) -> None:
        add, coloured = self.links.add, self._coloured
        add(self.image.picked, self._bind)
        add(self.threshold.slider.changed, self._on_moved)
        add(self.threshold.slider.released, self._settle)
        add(self.threshold.picked, self._on_category)
        add(self.threshold.colours.activated, self._on_colours)
        add(self.threshold.everywhere.clicked, self._on_everywhere)
        add(self.counts.picked, self._go_to)
        add(self.images.picked, self._on_image)
        add(self.figures.open.clicked, self._on_figures)
        add(self.classification.changed, self._show_controls)
        add(self.measuring.changed, self._show_controls)
        add(self.session.changed, self._on_result_changed)
        add(self.projects.project_changed, self._bind)
        self.links.on_end(self._cell_links.end)
        self.links.on_end(partial(self.session.canvas.drop, self._bind))
        self.links.on_end(lambda: _show_as_before(coloured))
        self.links.on_end(self.classification.close)
        self.links.on_end(self.measuring.close)

    def _bind(self) -> None:
        """Show the chosen image."""
        self.session.canvas.drop(self._bind)
        source = self.image.layer
        shown = self.session.shown(source)
        viability = None if shown is None else viability_of(edit_session_of(self.session, source))
        if viability is not self.viability:
            self._leave()
            self._turn_to(viability)
        if viability is not None:
            viability.catch_up()
            viability.show(self.threshold.mode)
        self.refresh()

    def _leave(self) -> None:
        """Leave the present image; its cells get the categories that they are shown with."""
        self._settle_later.stop()
        self._cell_links.end()
        if self.viability is not None:
            self.viability.settle()
            self.viability.show(AS_BEFORE)

    def _turn_to(self, viability: Viability | None) -> None:
        self.viability = viability
        self._coloured[:] = [] if viability is None else [viability]
        if viability is not None:
            viability.edits.activate(soon=True)
            self._cell_links.add(viability.changed, self._on_changed)
            self._cell_links.add(viability.moved, self.counts.show_counts)
            self._cell_links.add(viability.edits.plane_changed, self.counts.show_counts)
        self.counts.set_image(viability)
        self.classification.set_image(viability)

    def _on_result_changed(self, source: Image) -> None:
        if source is not self.image.layer:
            return
        if self.viability is None and self.session.canvas.is_entering:
            self.session.canvas.soon(self._bind)
        else:
            self._bind()

    def _on_changed(self) -> None:
        self._refresh_later.start()

    def state(self) -> DockState:
        """The state that the buttons depend on."""
        viability, project = self.viability, self.projects.project
        in_project = project is not None and self.image.layer is not None and self.image.layer is self.projects.layer
        state = DockState(
            in_project=in_project,
            read_only=project.read_only if in_project else "",
            is_measuring=self.measuring.runner.is_running,
            is_classifying=self.classification.runner.is_running,
            has_classifier=self.classification.box.classifier.chosen is not None,
        )
        if viability is None:
            return state
        in_view = viability.cells.columns.shown()
        n_following = int(np.count_nonzero(in_view & viability.cells.free))
        return replace(
            state,
            has_result=True,
            n_cells=len(viability.edits.result),
            categories_problem=viability.problem,
            can_choose=2 <= len(viability.edits.result.categories) <= MOST_CATEGORIES,
            n_following=n_following,
            n_fixed=int(np.count_nonzero(in_view)) - n_following,
            fits=viability.threshold is not None,
        )

    def refresh(self) -> None:
        """Update threshold, counts and buttons now; otherwise this happens shortly after edits."""
        self._refresh_later.stop()
        shown, viability = self._show_controls(), self.viability
        if viability is not None:
            self.threshold.show_categories(viability.edits.result.categories, viability.cells.category)
            if shown.threshold.enabled:
                self.threshold.show_cells(viability.cells, viability.edits.result.colours)
                self.threshold.slider.set_value(viability.slider_value)
        self.images.set_category(None if viability is None else viability.cells.category)
        self.counts.show_counts()

    def _show_controls(self) -> Controls:
        shown = controls(self.state())
        self.threshold.show_controls(shown)
        self.classification.show_controls(shown)
        show_control(self.export, shown.export)
        self.measuring.all.setVisible(shown.shows_project)
        self.counts.tabs.setTabVisible(self.counts.tabs.indexOf(self.images), shown.shows_project)
        return shown

    def _on_moved(self, threshold: float) -> None:
        if self.viability is not None:
            self.viability.move(threshold)
            if not self.threshold.slider.is_dragged:
                self._settle_later.start()

    def _settle(self) -> None:
        """Give the cells the categories of the threshold."""
        self._settle_later.stop()
        if self.viability is not None:
            self._try(self.viability, self.viability.settle)

    def _ready_to_measure(self) -> tuple[Shown | None, int | None]:
        """The cells with the categories that they are shown with, and the one that is dead."""
        self._settle()
        viability = self.viability
        return (None, None) if viability is None else (viability.edits.shown, viability.cells.category)

    def _on_category(self, category: int) -> None:
        self._settle()
        if self.viability is not None:
            self.viability.choose(category)
        self.refresh()

    def _on_colours(self) -> None:
        if self.viability is not None:
            self.viability.show(self.threshold.mode)

    def _on_everywhere(self) -> None:
        self._settle()
        viability, project = self.viability, self.projects.project
        if viability is None or project is None:
            return
        n = self._try(viability, lambda: viability.apply_to(project))
        if n is not None:
            show_info(f"Changed the category of {counted(n, 'cell')} in other images.")

    def _try(self, viability: Viability, change: Callable[[], Value]) -> Value | None:
        """Change cells; an error, for instance in a read-only project, becomes a notification, and the threshold is reset."""
        try:
            return change()
        except UserError as error:
            notify(str(error), error.page)
            viability.take_back()
            self.refresh()
            return None

    def _go_to(self, plane: tuple[int, ...]) -> None:
        if self.viability is not None:
            edits = self.viability.edits
            go_to_plane(self._viewer, edits.source, edits.planes, plane)

    def _on_image(self, id: int) -> None:
        self._settle()
        self.projects.show_soon(id)

    def _on_figures(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Figures of an evaluation")
        if folder:
            self.figures.show_folder(Path(folder))


def _show_as_before(coloured: list[Viability]) -> None:
    """Give the cells the colours that they had before the dock."""
    for viability in coloured:
        viability.show(AS_BEFORE)
