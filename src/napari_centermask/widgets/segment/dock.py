"""The Segment dock: choose, run, and view the result at any threshold."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import QDockWidget

from napari_centermask.core.errors import UserError
from napari_centermask.pipeline import Plane, with_card_defaults
from napari_centermask.pipeline.channels import missing_channels
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.parts.layout import WIDTH, stack
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.parts.run_box import RunBox
from napari_centermask.widgets.segment.controls import ALL, PLANE, DockState, controls
from napari_centermask.widgets.segment.doubt_bar import DoubtBar
from napari_centermask.widgets.segment.illumination import Illumination
from napari_centermask.widgets.segment.image_part import ImagePart
from napari_centermask.widgets.segment.large import LargeRun, why_large
from napari_centermask.widgets.segment.layers import DiameterCircle, show_classes
from napari_centermask.widgets.segment.many import ManySlot
from napari_centermask.widgets.segment.many_box import ManyPart
from napari_centermask.widgets.segment.result_part import ResultPart
from napari_centermask.widgets.segment.scope import chosen_planes
from napari_centermask.widgets.segment.suitability import Suitability
from napari_centermask.widgets.segment.view import AdvancedBox, ModelBox
from napari_centermask.widgets.segment.way_to_own_model import open_fine_tuning
from napari_centermask.widgets.viewer.dock import Dock, open_dock
from napari_centermask.widgets.viewer.save_button import SaveButton
from napari_centermask.widgets.viewer.sight import bring_into_view, why_unseen
from napari_centermask.widgets.viewer.view import current_index
from napari_centermask.widgets.work.gate import attempt
from napari_centermask.widgets.work.speed import Speeds, measure_speeds
from napari_centermask.widgets.work.tasks import class_map, estimate_diameter

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.core.result import Index
    from napari_centermask.pipeline import Progress
    from napari_centermask.widgets.viewer.planes import ImagePlanes

_NO_DIAMETER = 0.5  # pixels; up to here the field reads "automatic"


class SegmentDock(Dock):
    """Segment an image layer with a CenterMask model.

    The dock is a view: results and the run belong to the viewer's session, which outlives it.
    """

    title = "Segment"
    hint = (
        "Choose the image and press Run. Then move the score threshold until the right cells are shown; you "
        "need not run again."
    )

    def _set_up(self) -> None:
        self.session = self._state.session
        self.in_use = self._state.in_use
        self.circle = DiameterCircle(self._viewer)
        self._build()
        self.model.models.choose(self.in_use.name)
        self._connect()
        self.image_part.show()
        self._on_model_picked()

    def _build(self) -> None:
        self.model, self.run = ModelBox(), RunBox()
        self.image_part = ImagePart(
            self._viewer, self.session, self.links, card=lambda: self.model.models.card, on_read=self._on_read
        )
        self.image = self.image_part.box
        self.result = ResultPart(self.session, self.links)
        self.cells = self.result.box
        self.save = SaveButton(self.session, lambda: self.source)
        self.cells.form.addRow(self.save)
        self.many = ManyPart(
            self._state.part(ManySlot, ManySlot),
            self.links,
            settings=self.value,
            model=lambda: "" if self.model.models.card is None else self.model.models.currentText(),
            open_project=self._open_project,
        )
        self.illumination = Illumination(self._viewer, lambda: (self.source, self.image_part.planes_or_none()))
        self.advanced = AdvancedBox()
        self.large = LargeRun(self, self.session)
        self.doubt, self.suitability = DoubtBar(), Suitability(self.model.models)
        stack(
            self,
            (
                self.image,
                self.model,
                self.doubt,
                self.run,
                self.cells,
                self.many.box,
                self.illumination.box,
                self.advanced,
            ),
        )

    def sizeHint(self) -> QSize:
        """Wide enough for its rows, and no wider than it needs beside an image."""
        return QSize(WIDTH, 640)

    def _connect(self) -> None:
        add, runner = self.links.add, self.session.runner
        for signal in (self.image.layers.picked, self.image.turn.clicked):
            add(signal, self._on_image_changed)
        add(self.image.layers.look_changed, self._refresh)
        add(self.image.channels.picked, self._look)
        add(self.suitability.looks.changed, self._on_looked)
        add(self.image.scope.currentIndexChanged, self._refresh)
        add(self.model.models.currentIndexChanged, self._on_model_picked)
        add(self.model.diameter.valueChanged, self._on_diameter_changed)
        add(self.model.estimate.clicked, self._on_estimate)
        add(self.model.circle.toggled, self._on_diameter_changed)
        add(self.advanced.classes.clicked, self._on_class_map)
        add(self.advanced.speed.clicked, self._on_speed)
        add(self.doubt.tried, self._try_other)
        add(self.doubt.way_wanted, self._open_way)
        add(self.doubt.put_away, self._forget_doubt)
        add(self.cells.clear.clicked, lambda: self.session.clear_predictions(self.source))
        add(self.run.start.clicked, self.start)
        add(self.run.cancel.clicked, runner.cancel)
        add(runner.started, self._on_started)
        add(runner.advanced, self._on_advanced)
        add(runner.ended, self._on_ended)
        add(self.session.run.reported, self._on_reported)
        add(self.session.changed, self._on_result_changed)
        add(self.session.settled, self._on_result_changed)
        add(self.in_use.changed, self.model.models.choose)

    @property
    def source(self) -> Image | None:
        """The chosen image layer."""
        return self.image_part.source

    def value(self) -> SegmentSettings:
        """The settings in the form.

        Raises
        ------
        BadSettings
            If a value is out of range.
        """
        return SegmentSettings(
            model=self.model.models.currentText() or "nuclei",
            score=self.cells.score.value(),
            diameter=self.diameter,
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
        """Run the model with the settings in the form; an error becomes a notification."""
        attempt(self._start)

    def _start(self) -> None:
        source, planes, index = self._chosen()
        settings = self.value()
        missing = missing_channels(planes.n_channels, self.model.models.card, settings)
        scope = self.image.scope.currentData()
        if why_large(planes, scope):
            self.large.start(source, planes, scope, index, settings)
            self._refresh()
            return
        chosen = chosen_planes(scope, self._viewer, source, planes, index=index)
        if missing:
            show_info(f"{source.name} has no {', '.join(missing)}: these channels are empty for the model.")
        whole = scope == ALL or (scope == PLANE and not planes.leading)
        self.session.segment(source, planes, chosen, settings, keep=not whole)
        bring_into_view(self._viewer, source, self.session.cell_layers)
        self._refresh()

    def _chosen(self) -> tuple[Image, ImagePlanes, Index]:
        """The chosen image, its planes, and the current one; raises `UserError` if the model cannot run on it."""
        source, planes, estimate = self.source, self.image_part.planes(), controls(self.state()).estimate
        if not estimate.enabled or source is None or planes is None:
            raise UserError(estimate.tooltip)
        return source, planes, current_index(self._viewer, source, planes)

    def _on_image_changed(self) -> None:
        """The circle lies on the chosen image."""
        if self.circle.layer is not None:
            self._on_diameter_changed()

    def _on_read(self) -> None:
        """Another image was chosen, or its axes are read in another way."""
        self.illumination.show_image()
        self.result.show_image(self.source)
        self._look()

    def _look(self) -> None:
        """Look at what kind of image this is, and update the buttons."""
        self.suitability.looks.look(self.source, self.image_part.planes_or_none(), self.image.channels.value())
        self._refresh()

    def _on_looked(self, source: Image) -> None:
        if source is self.source:
            self._refresh()

    def _on_model_picked(self) -> None:
        """Show the settings that the model uses."""
        self.model.describe()
        card = self.model.models.card
        if card is not None:
            self.in_use.choose(card.name)
            settings = with_card_defaults(SegmentSettings(model=card.name), card)
            self.illumination.show_model(card)
            self.advanced.form.set_value(settings.model_dump())
            self.advanced.show_model(card)
            self.image_part.offer_channels()
            if not self.result.has_predictions:
                self.cells.score.set_value(settings.score)
        self._refresh()

    @property
    def diameter(self) -> float | None:
        """Typical diameter of the cells in pixels; None for automatic."""
        diameter = self.model.diameter.value()
        return diameter if diameter > _NO_DIAMETER else None

    def _on_diameter_changed(self) -> None:
        diameter = self.diameter
        self.illumination.show_diameter(diameter)
        if self.model.circle.isChecked() and self.source is not None and diameter is not None:
            self.circle.show(self.source, diameter)
        else:
            self.circle.hide()
        self._refresh()

    def _on_estimate(self) -> None:
        source, planes, index = self._chosen()
        scope = ALL if self.image.scope.currentData() == ALL else PLANE  # regions have the diameter of their plane
        chosen = chosen_planes(scope, self._viewer, source, planes, index=index)
        self.session.run.ask(f"diameter in {source.name}", estimate_diameter, chosen, self.value(), self._on_estimated)

    def _on_estimated(self, diameter: float) -> str:
        self.model.diameter.setValue(diameter)
        return f"The cells are about {diameter:.0f} pixels wide."

    def _on_class_map(self) -> None:
        source, planes, index = self._chosen()
        chosen, then = [Plane(index, planes.plane(index))], partial(show_classes, self._viewer, source, index)
        self.session.run.ask(f"classes in {source.name}", class_map, chosen, self.value(), then)

    def _on_speed(self) -> None:
        source, planes, index = self._chosen()
        chosen = [Plane(index, planes.plane(index))]
        self.session.run.ask(f"speed on {source.name}", measure_speeds, chosen, self.value(), self._on_measured)

    def _on_measured(self, speeds: Speeds) -> str:
        self.advanced.show_speeds(speeds.text())
        return speeds.outcome

    def _on_started(self) -> None:
        self.run.show_start()
        self._refresh()

    def _on_advanced(self, progress: Progress) -> None:
        self.run.show_progress(progress.part, f"{self.session.run.name}: {progress.message}")

    def _on_ended(self) -> None:
        self.run.show_end()
        self._refresh()

    def _on_reported(self, text: str) -> None:
        self.run.status.setText(text)

    def _on_result_changed(self, source: Image) -> None:
        self.circle.to_top()
        if source is self.source:
            self.result.show_image(source)
            self._refresh()

    def _try_other(self, model: str) -> None:
        self._forget_doubt()
        self.model.models.choose(model)

    def _open_way(self) -> None:
        self._forget_doubt()
        shown = self.session.shown(self.source)
        open_fine_tuning(self._viewer, in_project=shown is not None and shown.in_project)

    def _open_project(self) -> None:
        """Open the dock of projects behind this one."""
        own = self.parent()
        open_dock(self._viewer, "Project")
        if isinstance(own, QDockWidget):  # after the new dock has come to the front when it was first shown
            QTimer.singleShot(0, own.raise_)

    def _forget_doubt(self) -> None:
        shown = self.session.shown(self.source)
        if shown is not None:
            shown.misfit = ""
        self.suitability.put_away(self.source)
        self._refresh()

    def state(self) -> DockState:
        """The state that the buttons depend on."""
        shown, active = self.session.shown(self.source), self._viewer.layers.selection.active
        return DockState(
            image="" if self.source is None else self.source.name,
            unseen=why_unseen(self._viewer, self.source),
            other_layer="" if active is None else f"'{active.name}' is a {type(active).__name__} layer",
            image_problem=self.image_part.problem,
            large=why_large(self.image_part.planes_or_none(), self.image.scope.currentData()),
            has_model=self.model.models.card is not None,
            is_running=self.session.runner.is_running,
            closed="" if shown is None else shown.history.closed,
            scope=self.image.scope.currentData(),
            has_diameter=self.diameter is not None,
            has_result=shown is not None,
            has_predictions=self.result.has_predictions,
            model="" if shown is None or shown.settings is None else shown.settings.model,
            misfit="" if shown is None else shown.misfit,
            unsuited=self.suitability.doubt(self.source),
            other_model=self.suitability.other_model(self.source),
        )

    def _refresh(self) -> None:
        """Update the buttons; the tooltips of disabled ones say why."""
        state = self.state()
        shown = controls(state)
        for button, control in (
            (self.run.start, shown.run),
            (self.run.cancel, shown.cancel),
            (self.model.estimate, shown.estimate),
            (self.model.circle, shown.circle),
            (self.image.draw, shown.draw),
            (self.advanced.classes, shown.classes),
            (self.advanced.speed, shown.speed),
        ):
            show_control(button, control)
        self.image.show_unseen(shown.note)
        self.model.show_fit(self.suitability.fit(self.source))
        self.doubt.show_doubt(shown.doubt, other_model=state.other_model)
        self.image.draw.setVisible(shown.shows_draw)
        self.cells.show_controls(shown)
        self.save.refresh()
        self.many.refresh()
