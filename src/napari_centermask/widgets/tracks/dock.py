"""The dock "Tracks": cells through time and depth, corrected by clicks, and where they go."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, QSize
from qtpy.QtWidgets import QComboBox

from napari_centermask.core.counted import counted
from napari_centermask.core.tracks import TIME, Way, forget
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.parts.help import HelpButton
from napari_centermask.widgets.parts.layout import WIDTH, label, row, scroll_column
from napari_centermask.widgets.parts.pickers import LayerCombo, can_shrink
from napari_centermask.widgets.tracks.controls import Axes, DockState, axes_of, choices, controls, guess
from napari_centermask.widgets.tracks.export import Export, challenge, solids_table, tracks_table
from napari_centermask.widgets.tracks.following import Following
from napari_centermask.widgets.tracks.layer import TracksLayer
from napari_centermask.widgets.tracks.overview import Form, Overview, Seen
from napari_centermask.widgets.tracks.rows import Rows
from napari_centermask.widgets.tracks.tool import Kind, TrackTool
from napari_centermask.widgets.tracks.view import CorrectBox, FollowBox, ListBox, SettingsBox
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.viewer.measured import axis_names
from napari_centermask.widgets.viewer.writer import step_um
from napari_centermask.widgets.work.connections import Connections, single_shot

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.session import EditSession

_WAIT_MS = 120  # edits in quick succession are listed once
NOTHING = Seen(Rows((), (), ()), None, 0)
_KINDS: tuple[Kind, ...] = ("link", "cut", "divide")


class TracksDock(Dock):
    """Tracks of an image. The dock is a view: the cells hold their tracks."""

    title = "Tracks"
    hint = "Segment all frames or slices first. Track them with one button, then correct links by clicks on the canvas."

    def _set_up(self) -> None:
        self.session = self._state.session
        self.edits: EditSession | None = None
        self.axes = Axes()
        self._letters = ""
        self._seen = NOTHING
        self._layer: TracksLayer | None = None
        self.following, self.tool, self.export, self.overview = Following(), TrackTool(), Export(self), Overview()
        self._cell_links = Connections()
        self._later = single_shot(self, _WAIT_MS, self.refresh)
        self._build()
        self._connect()
        self._bind()

    def _build(self) -> None:
        self.image = LayerCombo(self._viewer, kinds=(Image,), meant=self.session.image_of)
        self.axis = QComboBox()
        can_shrink(self.axis)
        self.axis.setToolTip("What the slider below the image goes through.")
        self.follow, self.settings, self.correct, self.list = FollowBox(), SettingsBox(), CorrectBox(), ListBox()
        layout = scroll_column(self)
        layout.setSpacing(8)
        layout.addWidget(row(label("Layer"), self.image, HelpButton("tracks"), stretch=1))
        layout.addWidget(row(label("Axis"), self.axis, stretch=1))
        layout.addWidget(self.follow)
        layout.addWidget(self.settings)
        layout.addWidget(self.correct)
        layout.addWidget(self.list, 1)

    def sizeHint(self) -> QSize:
        """As the other docks."""
        return QSize(WIDTH, 640)

    def _connect(self) -> None:
        add = self.links.add
        add(self.image.picked, self._bind)
        add(self.axis.activated, self._on_axis)
        add(self.follow.follow.clicked, self._on_follow)
        add(self.follow.join.clicked, self._on_join)
        add(self.follow.cancel.clicked, self.following.runner.cancel)
        add(self.following.changed, self.refresh)
        add(self.following.advanced, lambda part, text: self.follow.report(text, part=part))
        add(self.following.reported, self._on_reported)
        add(self.export.changed, self.refresh)
        add(self.overview.seen, self._on_seen)
        for kind in _KINDS:
            add(self.correct.tools[kind].clicked, partial(self._on_tool, kind))
        add(self.tool.changed, self._show_tool)
        add(self.list.table.picked, self._on_picked)
        add(self.list.lines.clicked, self._on_lines)
        add(self.list.colours.clicked, self._on_colours)
        add(self.list.clear.clicked, self._on_clear)
        add(self.list.csv.triggered, self._on_csv)
        add(self.list.volumes.triggered, self._on_volumes)
        add(self.list.ctc.triggered, self._on_ctc)
        for field in (self.settings.pixel, self.settings.slice):
            add(field.valueChanged, self._on_edited)
        add(self.session.changed, self._on_result_changed)
        for end in (self._cell_links.end, self.following.end, self.tool.end, self.export.end, self.overview.end):
            self.links.on_end(end)
        self.links.on_end(self._drop_layer)
        self.links.on_end(partial(self.session.canvas.drop, self._bind))

    def on_left(self) -> None:
        """Put the tool away: the other dock's clicks are others."""
        self.tool.end()

    def _bind(self) -> None:
        """Show the chosen image."""
        self.session.canvas.drop(self._bind)
        source = self.image.layer
        shown = self.session.shown(source)
        edits = None if shown is None or source is None else edit_session_of(self.session, source)
        if edits is not self.edits:
            self._leave()
            self.edits = edits
            if edits is not None:
                self._enter(edits)
        self.refresh()

    def _leave(self) -> None:
        self.tool.end()
        self.overview.drop()
        self._seen = NOTHING
        self._cell_links.end()
        self._drop_layer()

    def _enter(self, edits: EditSession) -> None:
        source, planes = edits.source, edits.planes
        assert source is not None
        n = len(planes.leading)
        self._letters = guess(axis_names(source, planes.axes)) if choices(n) else ""
        with QSignalBlocker(self.axis):
            self.axis.clear()
            for letters, title in choices(n):
                self.axis.addItem(title, letters)
            self.axis.setCurrentIndex(max(0, self.axis.findData(self._letters)))
        self._show_axes()
        scale, depth = {"units": getattr(source, "units", ()), "scale": source.scale}, self.axes.depth
        step = (
            None if depth is None else step_um(scale, planes.axes[depth.axis])
        )  # files may only say how wide a pixel is
        self.settings.set_sizes(step_um(scale, -1), step)
        self._cell_links.add(edits.edited, self._on_edited)
        self._cell_links.add(edits.flat_changed, self._on_edited)
        self.follow.report("")

    def _show_axes(self) -> None:
        """Show what the chosen axes allow."""
        self.tool.end()
        self._drop_layer()
        self.axes = axes_of(self._letters)
        for part in (self.follow, self.settings, self.list):
            part.show_axes(self.axes)
        if self.edits is not None and self.axes.time is not None:
            self._layer = TracksLayer(self.session, self.edits.shown)
            self._layer.is_wanted = self.list.lines.isChecked()

    def _on_edited(self) -> None:
        self._later.start()

    def _drop_layer(self) -> None:
        layer, self._layer = self._layer, None
        if layer is not None:
            layer.end()

    @property
    def way(self) -> Way:
        """What corrections follow: time, else depth."""
        return self.axes.time or self.axes.depth or TIME

    def _on_axis(self) -> None:
        self._letters = str(self.axis.currentData() or "")
        self._show_axes()
        self.refresh()

    def _on_result_changed(self, source: Image) -> None:
        if source is not self.image.layer:
            return
        if self.edits is None and self.session.canvas.is_entering:
            self.session.canvas.soon(self._bind)
        else:
            self._bind()

    def state(self) -> DockState:
        """What the buttons depend on."""
        edits, running = self.edits, self.following.runner.is_running
        if edits is None:
            layer = self.image.layer
            n = 0 if layer is None else layer.ndim - 2
            return DockState(axes_of(self._letters) if n else Axes(), is_running=running)
        result = edits.result
        filled = [index for index, plane in result.planes.items() if len(plane)]
        time, depth = self.axes.time, self.axes.depth
        return DockState(
            self.axes,
            0 if time is None else len({time.at(index) for index in filled}),
            0 if depth is None else len({depth.at(index) for index in filled}),
            result.n_visible(),
            len({cell.track for cell in result if cell.track and result.shows(cell)}),
            edits.history.closed,
            running,
            edits.is_flat,
            self.export.runner.is_running,
        )

    def refresh(self) -> None:
        """Show the tracks and enable what can work now; otherwise this happens shortly after edits."""
        self._later.stop()
        state = self.state()
        self.axis.setEnabled(self.axis.count() > 1)
        shown = controls(state)
        self.follow.show_controls(shown, is_running=state.is_running)
        self.correct.show_controls(shown)
        self.list.show_controls(shown)
        if self.edits is not None:
            source = self.edits.source
            form = Form(self.axes, self.edits.planes.axes, 0 if source is None else source.ndim, self.settings.sizes)
            self.overview.ask(self.edits.result, form)
        mode = self.edits.shown.layers.mode if self.edits is not None and self.edits.shown.has_layers else "cell"
        self.list.colours.setChecked(mode == "track")
        self.list.table.missing = _empty(state)
        self._show_seen()
        self._show_tool()

    def _on_seen(self, seen: Seen) -> None:
        self._seen = seen
        if self._layer is not None:
            self._layer.draw(seen.lines)
        self._show_seen()

    def _show_seen(self) -> None:
        """Show the tracks as they were seen last."""
        rows, alone = self._seen.rows, self._seen.n_alone
        self.list.table.rows.show_rows(rows.titles, rows.texts)
        what = "3-D cell" if self.axes.time is None and self.axes.depth is not None else "track"
        others = f", {counted(alone, 'cell')} on none" if alone else ""
        self.list.count.setText(f"{counted(len(rows.texts), what)}{others}" if rows.texts else "")

    def _show_tool(self) -> None:
        self.correct.show_tool(self.tool.kind, self.tool.text)

    def _on_follow(self) -> None:
        if self.edits is not None and self.axes.time is not None:
            self.tool.end()
            self.follow.report("Starting")
            self.following.track(self.edits, self.settings.to_track, self.axes.time)

    def _on_join(self) -> None:
        if self.edits is not None and self.axes.depth is not None:
            self.tool.end()
            self.follow.report("Starting")
            self.following.join(self.edits, self.settings.to_join, self.axes.depth)

    def _on_reported(self, text: str) -> None:
        self.follow.report(text)
        layers = self.edits.shown.layers if self.edits is not None else None
        if layers is not None and layers.mode == "cell" and any(cell.track for cell in self.edits.result):
            layers.set_colours("track")  # or it would look as if nothing had come of it
        self.refresh()

    def _on_tool(self, kind: Kind) -> None:
        try:
            if self.tool.kind == kind or self.edits is None:
                self.tool.end()
            else:
                self.tool.begin(kind, self.edits, self.way)
        finally:
            self._show_tool()

    def _on_picked(self, number: int) -> None:
        plane, id = self._seen.rows.places[number]
        if self.edits is not None and self.edits.result.get(plane, id) is not None:
            self.edits.select((id,), centre=True)

    def _on_lines(self) -> None:
        if self._layer is not None:
            self._layer.want(self.list.lines.isChecked())

    def _on_colours(self) -> None:
        if self.edits is not None:
            self.edits.shown.layers.set_colours("track" if self.list.colours.isChecked() else "cell")

    def _on_clear(self) -> None:
        if self.edits is not None:
            self.tool.end()
            self.edits.finish()
            self.edits.history.do("removal of all tracks", forget(self.edits.result))

    def _name(self, what: str) -> str:
        return f"{Path(self.edits.result.name or 'cells').stem}_{what}.csv"

    def _on_csv(self) -> None:
        time, (pixel, _) = self.axes.time, self.settings.sizes
        if self.edits is not None and time is not None:
            self.edits.finish()
            self.export.ask_table(
                self.edits.result, self._name("tracks"), lambda cells: tracks_table(cells, time, pixel)
            )

    def _on_volumes(self) -> None:
        depth, (pixel, step) = self.axes.depth, self.settings.sizes
        if self.edits is not None and depth is not None:
            self.edits.finish()
            self.export.ask_table(
                self.edits.result, self._name("volumes"), lambda cells: solids_table(cells, depth, pixel, step)
            )

    def _on_ctc(self) -> None:
        time = self.axes.time
        if self.edits is not None and time is not None:
            self.edits.finish()
            self.export.ask_folder(self.edits.result, lambda cells: challenge(cells, time))


def _empty(state: DockState) -> str:
    """What would fill the table."""
    if not state.n_cells:
        return "Segment all planes, then track the cells here."
    if state.axes.time is None and state.axes.depth is None:
        return "This image has one plane, so there is nothing to follow."
    return "No tracks yet. The button above finds them."
