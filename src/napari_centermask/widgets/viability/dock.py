"""The dock "CenterMask: Viability": categories by threshold, counts by frame and image, measurements, figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import QComboBox, QFileDialog, QTabWidget

from napari_centermask.core.errors import UserError
from napari_centermask.io.paths import check_path
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.parts.layout import WIDTH, HelpButton, label, row, scroll_column
from napari_centermask.widgets.parts.pickers import LayerCombo, hint
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.viability.classification import Classifying
from napari_centermask.widgets.viability.image_counts import ImageCounts
from napari_centermask.widgets.viability.measuring import (
    Written,
    axis_names,
    measure_all,
    measured_layer,
    measured_project,
)
from napari_centermask.widgets.viability.plot import ViabilityPlot
from napari_centermask.widgets.viability.threshold import Viability, viability_of
from napari_centermask.widgets.viability.view import (
    AS_BEFORE,
    CountsTable,
    ExportButton,
    FiguresBox,
    SummaryBox,
    ThresholdBox,
)
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.viewer.view import go_to_plane
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.runner import Runner

if TYPE_CHECKING:
    pass

_HELP = """
<p><b>Live and dead</b></p>
<ol>
<li>If no model told the categories, "Classify the cells" lets a classifier tell them, in all frames, as one edit. Cells
that you judged stay.</li>
<li>Say which category is dead, and move the threshold: cells from this probability on are dead. Colours and counts follow
at once; when you let go, the cells have their categories, as one edit that can be undone.</li>
<li>What you categorised, accepted or corrected stays as you said. Click a cell, and press Ctrl+1, Ctrl+2 ...</li>
<li>A click in the plot or the table goes to that frame.</li>
<li>Measure and save writes a row for each cell, and the counts of each frame beside it.</li>
</ol>
"""
_STANDS_MS = 500  # keys and the wheel: the threshold stands when none came for so long
_WAIT_MS = 60  # edits in quick succession are counted once
_NONE = "There are no cells: run CenterMask, or draw some with 'CenterMask: Correct'."
_NO_PROBABILITIES = "No cell tells probabilities: run a model with several categories, or classify the cells."


class ViabilityDock(Dock):
    """What the cells of an image are by a threshold on a probability.

    The dock is a view: `viability.Viability` holds the threshold, and the cells their categories.
    """

    title = "Viability"

    def _set_up(self) -> None:
        self.session, self.projects = self._state.session, project_session_of(self._viewer)
        self.viability: Viability | None = None
        self.runner = Runner()
        self.classifying = Classifying(self._settle)
        self._cell_links = Connections()
        self._showing: list[Viability] = []  # the one above, for when the dock has died
        self._stands, self._later = self._timer(_STANDS_MS, self._settle), self._timer(_WAIT_MS, self.refresh)
        self._build()
        self._connect()
        self._bind()

    def _timer(self, interval: int, slot: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(slot)
        return timer

    def _build(self) -> None:
        self.image = LayerCombo(self._viewer, kinds=(Image,))
        self.threshold, self.summary, self.plot = ThresholdBox(), SummaryBox(), ViabilityPlot()
        self.frames, self.figures, self.axis = CountsTable(), FiguresBox(), QComboBox()
        self.images = ImageCounts(self.projects)
        self.axis.setToolTip("What the plot and the table of frames go along; other axes are added up.")
        self.export = ExportButton()
        self.tabs = QTabWidget()
        for box, title in (
            (self.plot, "Plot"),
            (self.frames, "Frames"),
            (self.images, "Images"),
            (self.figures, "Figures"),
        ):
            self.tabs.addTab(box, title)
        layout = scroll_column(self)
        layout.setSpacing(8)
        layout.addWidget(row(label("Layer"), self.image, HelpButton(_HELP), stretch=1))
        layout.addWidget(self.classifying.box)
        layout.addWidget(self.threshold)
        layout.addWidget(self.summary)
        layout.addWidget(self.axis)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.export)

    def sizeHint(self) -> QSize:
        """Wide enough for the plot."""
        return QSize(WIDTH, 700)

    def _connect(self) -> None:
        self.links.add(self.image.picked, self._bind)
        self.links.add(self.threshold.slider.changed, self._on_moved)
        self.links.add(self.threshold.slider.released, self._settle)
        self.links.add(self.threshold.picked, self._on_category)
        self.links.add(self.threshold.colours.activated, lambda _: self._on_colours())
        self.links.add(self.threshold.everywhere.clicked, self._on_everywhere)
        self.links.add(self.axis.activated, lambda _: self.refresh())
        self.links.add(self.plot.picked, self._go_to)
        self.links.add(self.frames.picked, self._go_to)
        self.links.add(self.images.picked, self._on_image)
        self.links.add(self.figures.open.clicked, self._on_figures)
        self.links.add(self.export.wanted, self._on_export)
        links, showing = self.links, self._showing
        links.add(self.runner.ended, self._on_exported)
        links.add(self.session.changed, self._on_result_changed)
        links.add(self.projects.project_changed, self._bind)
        links.on_end(self._cell_links.end)
        links.on_end(lambda: [viability.show(AS_BEFORE) for viability in showing])
        links.on_end(self.classifying.close)
        links.on_end(self.runner.cancel)

    def _bind(self) -> None:
        """Turn to the chosen image."""
        source = self.image.layer
        shown = self.session.shown(source)
        found = None if shown is None else viability_of(edit_session_of(self.session, source))
        if found is not self.viability:
            self._stop()
            self.viability, self._showing[:] = found, [found] if found is not None else []
            if found is not None:
                found.edits.activate()
                self._cell_links.add(found.changed, self._on_changed)
                self._cell_links.add(found.moved, self._show_counts)
                self._cell_links.add(found.edits.plane_changed, self._on_plane)
                self._show_axes()
        if found is not None:
            found.catch_up()
            found.show(self.threshold.mode)
        self.refresh()

    def _stop(self) -> None:
        """Leave the image before; what it was being shown as is what it is."""
        self._stands.stop()
        self._cell_links.end()
        if self.viability is not None:
            self.viability.settle()
            self.viability.show(AS_BEFORE)

    def _show_axes(self) -> None:
        planes = self.viability.edits.planes
        self.axis.clear()
        names = axis_names(self.viability.edits.source, planes.axes)
        for k, (name, n) in enumerate(zip(names, planes.leading, strict=True)):
            self.axis.addItem(f"Along {name} ({n})", (k, name))
        at = next((k for k, name in enumerate(names) if name.lower() in ("t", "time")), 0)
        self.axis.setCurrentIndex(at if names else -1)

    def _on_result_changed(self, source: Image) -> None:
        if source is self.image.layer:
            self._bind()

    def _on_changed(self) -> None:
        self._later.start()

    def refresh(self) -> None:
        """Show threshold, counts and what can work; otherwise it happens shortly after edits."""
        self._later.stop()
        found = self.viability
        follow = np.zeros(0, bool) if found is None else found.cells.free & found.cells.columns.shown()
        n = int(np.count_nonzero(follow))
        can = found is not None and found.problem == "" and n > 0
        text = _NONE if found is None else found.problem or ("" if n else _NO_PROBABILITIES)
        if found is not None:
            self.threshold.show_categories(found.edits.result.categories, found.cells.category)
            if can:
                kinds = found.cells
                other = int(np.bincount(kinds.other[follow]).argmax())
                values = kinds.probability[follow]
                self.threshold.show_probabilities(values, found.edits.result.colours, kinds.category, other)
                self.threshold.slider.set_value(found.slider_value)
                stay = int(np.count_nonzero(kinds.columns.shown())) - n
                fits = "" if found.threshold is not None else " Their categories fit no threshold; moving it sets them."
                text = f"{n:,} cells follow the threshold; {stay:,} stay as they are.{fits}"
        self.threshold.note.setText(text)
        for widget in (self.threshold.slider, self.threshold.category, self.threshold.colours):
            widget.setEnabled(can)
        self.threshold.slider.setToolTip("From this probability on a cell is dead." if can else text)
        self._show_actions(can)
        self._show_counts()

    def _show_actions(self, can: bool) -> None:
        project = self.projects.project
        inside = project is not None and self.image.layer is self.projects.layer and self.image.layer is not None
        self.threshold.everywhere.setVisible(inside)
        closed = project.read_only if inside else ""
        hint(
            self.threshold.everywhere,
            closed or "Give the cells of all images their categories by this threshold: one edit in each image.",
            enabled=can and not closed,
        )
        self.tabs.setTabVisible(self.tabs.indexOf(self.images), inside)
        self.images.set_category(None if self.viability is None else self.viability.cells.category)
        self.export.all.setVisible(inside)
        busy = self.runner.is_running
        text = (
            "Cells are being measured."
            if busy
            else "A row for each cell: shape, intensities by channel, probabilities."
        )
        cells = self.viability is not None and len(self.viability.edits.result) > 0
        self.classifying.show(self.viability, problem=closed if cells else _NONE, tells=can)
        hint(self.export, text if self.viability else _NONE, enabled=self.viability is not None and not busy)

    def _show_counts(self) -> None:
        """Show the counts by the threshold as it stands now."""
        found = self.viability
        stack = found is not None and bool(found.edits.result.leading)
        self.axis.setVisible(stack)
        for box in (self.plot, self.frames):
            self.tabs.setTabVisible(self.tabs.indexOf(box), stack)
        if found is None:
            self.summary.show_counts(None, {}, None)
            return
        counts, names = found.counts(), found.edits.result.categories
        here = found.edits.current_plane
        frame = ", ".join(f"{self.axis.itemData(k)[1]} {i}" for k, i in enumerate(here)) if stack else ""
        self.summary.show_counts(counts, names, (frame, counts.of(here)) if stack else None)
        if stack:
            k, name = self.axis.currentData()
            numbers = counts.along(k)
            percent = counts.viability(numbers)
            kinds = [names.get(c, str(c)) for c in counts.categories]
            self.frames.counts.show_counts(name, [str(i) for i in range(len(numbers))], kinds, numbers, percent)
            self.plot.show_viability(percent, here[k], along=name)

    def _on_plane(self, plane: tuple[int, ...]) -> None:
        self._show_counts()

    def _on_moved(self, threshold: float) -> None:
        self.viability.move(threshold)
        if not self.threshold.slider.is_dragged:
            self._stands.start()

    def _settle(self) -> None:
        """The threshold stands: the cells get their categories."""
        self._stands.stop()
        if self.viability is not None:
            self._try(self.viability.settle)

    def _on_category(self, category: int) -> None:
        self._settle()
        self.viability.choose(category)
        self.refresh()

    def _on_colours(self) -> None:
        self.viability.show(self.threshold.mode)

    def _on_everywhere(self) -> None:
        self._settle()
        n = self._try(lambda: self.viability.apply_to(self.projects.project))
        if n is not None:
            show_info(f"{n:,} {'cell' if n == 1 else 'cells'} of other images have another category now.")

    def _try(self, change: Any) -> Any:
        """Change cells; a refusal, as by a read-only project, becomes a notification."""
        try:
            return change()
        except UserError as error:
            show_error(str(error))
            self.viability.take_back()
            self.refresh()
            return None

    def _go_to(self, number: int) -> None:
        edits = self.viability.edits
        plane = list(edits.current_plane)
        plane[self.axis.currentData()[0]] = number
        go_to_plane(self._viewer, edits.source, edits.planes, tuple(plane))

    def _on_image(self, id: int) -> None:
        self._settle()
        self._try(lambda: self.projects.show_soon(id))

    def _on_figures(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Figures of an evaluation")
        if folder:
            self.figures.show_folder(Path(folder))

    def _on_export(self, everything: bool) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save measurements", "measurements.csv", "CSV (*.csv)")
        if path:
            self.measure(Path(path), everything=everything)

    def measure(self, path: Path, *, everything: bool = False) -> None:
        """Measure this image or all of the project, and write the tables, off the GUI thread."""
        self._settle()
        dead = self.viability.cells.category
        try:
            check_path(path)
            shown = self.viability.edits.shown
            images = measured_project(self.projects.project, dead) if everything else [measured_layer(shown, dead)]
        except UserError as error:
            show_error(str(error))
            return
        self.runner.start("CenterMask: measuring", measure_all, path, images)
        self.refresh()

    def _on_exported(self, value: Any) -> None:
        if isinstance(value, Written):
            show_info(f"{value.cells:,} cells measured: {value.paths[0]}, and {value.paths[1].name} beside it.")
        elif value is not None:
            show_error(value.message)
        self.refresh()
