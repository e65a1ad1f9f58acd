"""The CenterMask dock: choose, run, and look at the result at any threshold."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QSignalBlocker, QSize

from napari_centermask.core.errors import BadImage, UserError
from napari_centermask.core.predictions import has_predictions
from napari_centermask.pipeline import Plane, with_card_defaults
from napari_centermask.pipeline.channels import missing_channels
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.parts.layout import WIDTH, stack
from napari_centermask.widgets.parts.pickers import hint
from napari_centermask.widgets.segment import view as view
from napari_centermask.widgets.segment.cells_box import CellsBox
from napari_centermask.widgets.segment.circle import DiameterCircle
from napari_centermask.widgets.segment.class_layer import show_classes
from napari_centermask.widgets.segment.illumination import Illumination
from napari_centermask.widgets.segment.scope import ALL, PLANE, REGION, chosen_planes, draw_region, scopes
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.viewer.planes import ImagePlanes, channel_names, guess_channel_axis
from napari_centermask.widgets.viewer.view import current_index
from napari_centermask.widgets.work.gate import attempt
from napari_centermask.widgets.work.tasks import class_map, estimate_diameter

if TYPE_CHECKING:
    from napari_centermask.pipeline import Progress

_TOO_FEW_PIXELS = 0.5


class SegmentDock(Dock):
    """Segment an image layer with a CenterMask model.

    The dock is a view: results and the run belong to the viewer's session, which outlives it.
    """

    title = "Segment"

    def _set_up(self) -> None:
        self.session = self._state.session
        self.in_use = self._state.in_use
        self.circle = DiameterCircle(self._viewer)
        self._build()
        self.model.models.choose(self.in_use.name)
        self._connect()
        self._on_image_picked()
        self._on_model_picked()

    def _build(self) -> None:
        self.image = view.ImageBox(self._viewer)
        self.model = view.ModelBox()
        self.run = view.RunBox()
        self.cells = CellsBox(SegmentSettings.model_fields["score"].default)
        self.illumination = Illumination(self._viewer, lambda: (self.source, self._planes_or_none()))
        self.advanced = view.AdvancedBox()
        stack(self, (self.image, self.model, self.run, self.cells, self.illumination.box, self.advanced))

    def sizeHint(self) -> QSize:
        """Wide enough for its rows, and no wider than it needs beside an image."""
        return QSize(WIDTH, 640)

    def _connect(self) -> None:
        self.links.add(self.image.layers.picked, self._on_image_picked)
        self.links.add(self.image.axis.currentIndexChanged, self._on_axis_picked)
        self.links.add(self.image.channels.picked, self._refresh)
        self.links.add(self.image.scope.currentIndexChanged, self._refresh)
        self.links.add(self.image.draw.clicked, self._on_draw)
        self.links.add(self.model.models.currentIndexChanged, self._on_model_picked)
        self.links.add(self.model.diameter.valueChanged, self._on_diameter_changed)
        self.links.add(self.model.estimate.clicked, self._on_estimate)
        self.links.add(self.model.circle.toggled, self._on_diameter_changed)
        self.links.add(self.advanced.classes.clicked, self._on_class_map)
        self.links.add(self.run.start.clicked, self.start)
        self.links.add(self.run.cancel.clicked, self.session.runner.cancel)
        self.links.add(self.cells.score.changed, self._on_score_changed)
        self.links.add(self.cells.colours.currentIndexChanged, self._on_look_changed)
        self.links.add(self.cells.hatch.toggled, self._on_look_changed)
        self.links.add(self.cells.outlines.toggled, self._on_look_changed)
        runner = self.session.runner
        for signal, slot in (
            (runner.started, self._on_started),
            (runner.advanced, self._on_advanced),
            (runner.ended, self._refresh_after_run),
            (self.session.run.reported, self._on_reported),
            (self.session.changed, self._on_result_changed),
            (self.in_use.changed, self.model.models.choose),
        ):
            self.links.add(signal, slot)

    @property
    def source(self) -> Image | None:
        """The chosen image layer."""
        return self.image.layers.layer

    def planes(self) -> ImagePlanes | None:
        """The chosen image as arrays; None if none is chosen.

        Raises
        ------
        BadImage
            If the layer is not an image with height and width.
        """
        return None if self.source is None else ImagePlanes.of(self.source, channel_axis=self.image.channel_axis)

    def value(self) -> SegmentSettings:
        """The settings as shown.

        Raises
        ------
        BadSettings
            If a value is out of range.
        """
        diameter = self.model.diameter.value()
        return SegmentSettings(
            model=self.model.models.currentText() or "nuclei",
            score=self.cells.score.value(),
            diameter=diameter if diameter > _TOO_FEW_PIXELS else None,
            channels=self.image.channels.value(),
            **self.illumination.value(),
            **self.advanced.form.value(),
        )

    def set_value(self, settings: SegmentSettings) -> None:
        """Show these settings."""
        self.model.models.setCurrentText(settings.model)
        self.cells.score.set_value(settings.score)
        self.model.diameter.setValue(settings.diameter or 0.0)
        self.image.channels.set_value(settings.channels)
        self.illumination.set_value(settings)
        self.advanced.form.set_value(settings.model_dump())
        self._refresh()

    def start(self) -> None:
        """Run the model with the settings as shown; a mistake becomes a notification."""
        try:
            source, planes = self._chosen()
            settings = self.value()
            missing = missing_channels(planes.n_channels, self.model.models.card, settings)
            scope = self.image.scope.currentData()
            index = current_index(self._viewer, source, planes)
            chosen = chosen_planes(scope, self._viewer, source, planes, index=index)
        except UserError as error:
            show_error(str(error))
            return
        if missing:
            show_info(f"{source.name} has no {', '.join(missing)}: the model sees it empty.")
        whole = scope == ALL or (scope == PLANE and not planes.leading)
        attempt(partial(self.session.segment, source, planes, chosen, settings, keep=not whole))

    def _chosen(self) -> tuple[Image, ImagePlanes]:
        if self.session.runner.is_running:
            raise UserError("A run is in progress. Cancel it or wait.")
        if self.source is None:
            active = self._viewer.layers.selection.active
            kind = f"'{active.name}' is a {type(active).__name__} layer" if active else "there is none"
            raise BadImage(f"Expected an image layer, {kind}. Open an image or File > Open Sample.")
        if self.model.models.card is None:
            raise UserError("Expected a model, none is installed. Add one: napari-centermask models add FILE")
        return self.source, self.planes()

    def _on_image_picked(self) -> None:
        source = self.source
        guess = None if source is None else guess_channel_axis(source)
        with QSignalBlocker(self.image.axis):
            self.image.set_axes(source, guess=guess)
        self._on_axis_picked()
        if self.circle.layer is not None:
            self._on_diameter_changed()

    def _on_axis_picked(self) -> None:
        names = channel_names(self.source, channel_axis=self.image.channel_axis) if self.source is not None else []
        self.image.set_channels(names)
        self.image.set_scopes(scopes(self._planes_or_none()))
        self.illumination.show_image()
        self._show_result()
        self._refresh()

    def _planes_or_none(self) -> ImagePlanes | None:
        try:
            return self.planes()
        except BadImage:
            return None

    def _on_model_picked(self) -> None:
        """Show the settings that suit the model."""
        self.model.describe()
        card = self.model.models.card
        if card is not None:
            self.in_use.choose(card.name)
            settings = with_card_defaults(SegmentSettings(model=card.name), card)
            self.illumination.show_model(card)
            self.advanced.form.set_value(settings.model_dump())
            self.advanced.show_family(card.kind)
            if not self._was_run():
                self.cells.score.set_value(settings.score)
        self._refresh()

    def _on_diameter_changed(self, *_) -> None:
        diameter = self.model.diameter.value()
        self.illumination.show_diameter(diameter if diameter > _TOO_FEW_PIXELS else None)
        if self.model.circle.isChecked() and self.source is not None and diameter > _TOO_FEW_PIXELS:
            self.circle.show(self.source, diameter)
        else:
            self.circle.hide()
        self._refresh()

    def _on_estimate(self) -> None:
        try:
            source, planes = self._chosen()
            index = current_index(self._viewer, source, planes)
            scope = ALL if self.image.scope.currentData() == ALL else PLANE  # regions have the diameter of their plane
            chosen = chosen_planes(scope, self._viewer, source, planes, index=index)
            settings = self.value()
        except UserError as error:
            show_error(str(error))
            return
        self.session.run.ask(f"diameter in {source.name}", estimate_diameter, chosen, settings, self._on_estimated)

    def _on_estimated(self, diameter: float) -> str:
        self.model.diameter.setValue(diameter)
        return f"The cells are about {diameter:.0f} pixels wide."

    def _on_class_map(self) -> None:
        try:
            source, planes = self._chosen()
            index = current_index(self._viewer, source, planes)
            settings = self.value()
        except UserError as error:
            show_error(str(error))
            return
        then = partial(show_classes, self._viewer, source, index)
        chosen = [Plane(index, planes.plane(index))]
        self.session.run.ask(f"classes in {source.name}", class_map, chosen, settings, then)

    def _on_draw(self) -> None:
        """Give the user a layer to draw the region in, ready for a rectangle."""
        draw_region(self._viewer, self.source)

    def _on_score_changed(self, score: float) -> None:
        if self.source is not None:
            self.session.set_threshold(self.source, score)

    def _on_look_changed(self, *_) -> None:
        shown = self.session.shown(self.source)
        if shown is None:
            return
        shown.layers.set_colours(self.cells.colours.currentData())
        shown.layers.outlines.visible = self.cells.outlines.isChecked()
        self.session.set_hatch(self.source, self.cells.hatch.isChecked())

    def _on_started(self, title: str) -> None:
        self.run.show_start()
        self._refresh()

    def _on_advanced(self, progress: Progress) -> None:
        self.run.show_progress(progress.part, progress.message)

    def _refresh_after_run(self, *_) -> None:
        self.run.show_end()
        self._refresh()

    def _on_reported(self, text: str) -> None:
        self.run.status.setText(text)

    def _on_result_changed(self, source: Image) -> None:
        self.circle.to_top()
        if source is self.source:
            self._show_result()
            self._refresh()

    def _show_result(self) -> None:
        """Bring the lower part of the dock in line with the image's result."""
        shown = self.session.shown(self.source)
        if shown is None:
            self.cells.show_none()
            return
        if self._was_run():  # an image of a project has a result before its first run
            self.cells.score.set_value(shown.result.threshold)
        self.cells.show_counts(shown.result.n_visible(), len(shown.result), shown.result.scores())
        self.cells.show_look(shown.layers, legend=shown.result.categories)

    def _was_run(self) -> bool:
        """Whether the image shows cells of a model, from a score that somebody chose."""
        result = self.session.result(self.source)
        return result is not None and has_predictions(result)

    def _refresh(self, *_) -> None:
        """Enable what can work and say why the rest cannot."""
        running = self.session.runner.is_running
        problem = self._problem()
        closed = problem or self._closed()
        hint(self.run.start, closed or "Find the cells.", enabled=not closed)
        text = problem or "Estimate the diameter from the image: the model looks at it once or twice."
        hint(self.model.estimate, text, enabled=not problem)
        text = problem or "Show the category of each pixel of this plane, before cells are parted."
        hint(self.advanced.classes, text, enabled=not problem)
        hint(
            self.run.cancel,
            "Stop after the present tile." if running else "Nothing is running.",
            enabled=running,
        )
        self.image.draw.setVisible(self.image.scope.currentData() == REGION)
        self.model.show_diameter_hint(np.isclose(self.model.diameter.value(), 0.0))

    def _problem(self) -> str:
        """Why a run cannot start at all; empty if it can."""
        if self.session.runner.is_running:
            return "A run is in progress: cancel it or wait."
        if self.source is None:
            return "There is no image layer: open an image, or File > Open Sample > CenterMask."
        if self.model.models.card is None:
            return "No model is installed. Add one: napari-centermask models add FILE"
        return ""

    def _closed(self) -> str:
        """Why the image's cells cannot be changed; empty if they can."""
        shown = self.session.shown(self.source)
        return "" if shown is None else shown.history.closed
