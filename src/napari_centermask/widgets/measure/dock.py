"""The dock "Measure": a table of the cells of an image, a histogram and a scatter plot, linked with the canvas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QPushButton, QTabWidget

from napari_centermask.core.viability import dead_category
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.measure.controls import QUICK_S, DockState, controls
from napari_centermask.widgets.measure.export_part import ExportPart
from napari_centermask.widgets.measure.measurements import Measurements, measure_cells
from napari_centermask.widgets.measure.plots import Histogram, Scatter
from napari_centermask.widgets.measure.selection import LinkedSelection
from napari_centermask.widgets.measure.table import MeasureTable
from napari_centermask.widgets.parts.help import HelpButton
from napari_centermask.widgets.parts.layout import WIDTH, even, label, quiet_label, row, scroll_column
from napari_centermask.widgets.parts.pickers import LayerCombo, show_control
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.viewer.dock import Dock, open_dock
from napari_centermask.widgets.viewer.measured import channels_of, measured_layer, pixel_size_of
from napari_centermask.widgets.work.connections import Connections, single_shot
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari_centermask.core.history import Edit
    from napari_centermask.pipeline.progress import Progress
    from napari_centermask.widgets.viewer.shown import Shown

_WAIT_MS = 600  # after an edit, until the cells are measured again: a choice
_LEAST_HEIGHT = 300  # pixels of the table and the plots


class MeasureDock(Dock):
    """The measurements of the cells of an image, made off the GUI thread."""

    title = "Measure"
    hint = (
        "Cells are measured when this dock opens. Select them in the table, in a plot or in the image: "
        "they are marked in all of them."
    )

    def _set_up(self) -> None:
        self.session, self.projects = self._state.session, project_session_of(self._viewer)
        self.shown: Shown | None = None
        self.measured, self.problem = Measurements({}), ""
        self._is_stale, self._in_front = False, True
        self._cell_links = Connections()
        self.runner = Runner()
        self._later = single_shot(self, _WAIT_MS, self._on_time)
        self._build()
        self._connect()
        self._bind()

    def _build(self) -> None:
        self.image = LayerCombo(self._viewer, kinds=(Image,), meant=self.session.image_of)
        self.again, self.clear = QPushButton("Measure"), QPushButton("Clear")
        self.about, self.chosen = quiet_label(), quiet_label()
        self.tabs, self.table = QTabWidget(), MeasureTable()
        self.histogram, self.scatter = Histogram(), Scatter()
        for view, name in ((self.table, "Table"), (self.histogram, "Histogram"), (self.scatter, "Scatter plot")):
            self.tabs.addTab(view, name)
        self.tabs.setMinimumHeight(_LEAST_HEIGHT)
        self.selection = LinkedSelection((self.table, self.histogram, self.scatter))
        self.exporting = ExportPart(self.projects, self._ready)
        self.viability = QPushButton("Live and dead…")
        layout = scroll_column(self)
        layout.setSpacing(8)
        layout.addWidget(row(label("Layer"), self.image, HelpButton("measure"), stretch=1))
        layout.addWidget(row(self.about, self.again, stretch=0))
        layout.addWidget(self.tabs, 1)
        layout.addWidget(row(self.chosen, self.clear, stretch=0))
        layout.addWidget(even(self.exporting.button, self.viability))

    def sizeHint(self) -> QSize:
        """Wide enough for the plots."""
        return QSize(WIDTH, 640)

    def _connect(self) -> None:
        add = self.links.add
        add(self.image.picked, self._bind)
        add(self.again.clicked, self.measure)
        add(self.clear.clicked, lambda: self.selection.pick(()))
        add(self.viability.clicked, self._open_viability)
        add(self.selection.changed, self._show_controls)
        add(self.runner.advanced, self._on_advanced)
        add(self.runner.ended, self._on_ended)
        add(self.exporting.changed, self._show_controls)
        add(self.session.changed, self._on_result_changed)
        add(self.projects.project_changed, self._bind)
        self.links.on_end(self._cell_links.end)
        self.links.on_end(self.selection.end)
        self.links.on_end(partial(self.session.canvas.drop, self._bind))
        self.links.on_end(self.exporting.close)
        self.links.on_end(self.runner.cancel)

    def on_left(self) -> None:
        """Another tab is in front: the cells are measured when this one comes back."""
        self._in_front = False

    def on_entered(self) -> None:
        """Measure what changed meanwhile."""
        self._in_front = True
        if self._is_stale:
            self._later.start()

    def _bind(self) -> None:
        """Show the chosen image."""
        self.session.canvas.drop(self._bind)
        shown = self.session.shown(self.image.layer)
        if shown is not self.shown:
            self._turn_to(shown)
        self._show_controls()

    def _turn_to(self, shown: Shown | None) -> None:
        self.runner.cancel()
        self._cell_links.end()
        self.shown, self.problem = shown, ""
        self._show_measured(Measurements({}))
        edits = None if shown is None else edit_session_of(self.session, self.image.layer)
        self.selection.follow(edits)
        if edits is not None:
            self._cell_links.add(edits.edited, self._on_edited)
            self._on_cells_changed()

    def _on_edited(self, edit: Edit) -> None:
        self._on_cells_changed()

    def _on_result_changed(self, source: Image) -> None:
        if source is not self.image.layer:
            return
        if self.shown is None and self.session.canvas.is_entering:
            self.session.canvas.soon(self._bind)
            return
        before = self.shown
        self._bind()
        if self.shown is before and before is not None:  # another threshold, or other categories
            self._on_cells_changed()

    def _on_cells_changed(self) -> None:
        self._is_stale = True
        self._later.start()
        self._show_controls()

    def _on_time(self) -> None:
        """Measure again by itself if that takes little time."""
        if self._in_front and self._is_stale and self.measured.seconds < QUICK_S and not self.session.runner.is_running:
            self.measure()
        elif self.session.runner.is_running:
            self._later.start()

    def measure(self) -> None:
        """Measure all cells of the image that are shown; measuring in progress starts again."""
        self.runner.cancel()
        shown, _ = self._ready()
        self._later.stop()
        self._is_stale, self.problem = False, ""
        if shown is None or not shown.result.n_visible():
            self._show_measured(Measurements({}))
        else:
            self.runner.start("", measure_cells, measured_layer(shown, None))
        self._show_controls()

    def _on_advanced(self, progress: Progress) -> None:
        self.about.setText(progress.message)

    def _on_ended(self, value: Measurements | Failed | None) -> None:
        if isinstance(value, Measurements):
            self._show_measured(value)
        elif isinstance(value, Failed):
            self.problem = value.message
        self._show_controls()

    def _show_measured(self, measured: Measurements) -> None:
        self.measured = measured
        colours = {} if self.shown is None else self.shown.result.colours
        self.table.show_measured(measured)
        for plot in (self.histogram, self.scatter):
            plot.show_measured(measured, colours)
        self.selection.show()

    def _ready(self) -> tuple[Shown | None, int | None]:
        """The cells to measure for a file."""
        if self.shown is None:
            return None, None
        if self.shown.edits is not None:
            self.shown.edits.flush()
        return self.shown, dead_category(self.shown.result.categories)

    def select(self, ids: Iterable[int]) -> None:
        """Select cells, in the dock and on the canvas."""
        self.selection.pick(ids)

    def _open_viability(self) -> None:
        open_dock(self._viewer, "Viability")

    def state(self) -> DockState:
        """The state that the buttons depend on."""
        source, shown = self.image.layer, self.shown
        state = DockState(
            image="" if source is None else source.name,
            is_measuring=self.runner.is_running,
            is_exporting=self.exporting.runner.is_running,
            is_stale=self._is_stale,
            problem=self.problem,
            n_measured=len(self.measured.ids),
            n_selected=len(self.measured.rows_of(self.selection.ids)),
        )
        if source is None or shown is None:
            return state
        return replace(
            state,
            n_cells=shown.result.n_visible(),
            channels=channels_of(shown),
            pixel_size_um=pixel_size_of(shown),
            in_project=self.projects.project is not None and source is self.projects.layer,
        )

    def _show_controls(self, *_: object) -> None:
        state = self.state()
        shown = controls(state)
        if not state.is_measuring:
            self.about.setText(shown.about)
        self.chosen.setText(shown.selection)
        for button, control in (
            (self.again, shown.again),
            (self.clear, shown.clear),
            (self.exporting.button, shown.export),
            (self.viability, shown.viability),
        ):
            show_control(button, control)
        self.exporting.all.setVisible(state.in_project)
