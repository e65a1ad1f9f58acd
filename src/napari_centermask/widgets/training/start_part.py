"""The upper part of the fine-tuning dock: data, start model, settings, and the start button."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_centermask.cloud.plan import Plan as CloudPlan
from napari_centermask.core.errors import UserError
from napari_centermask.jobs.place import Place
from napari_centermask.pipeline.suitability import better_start
from napari_centermask.settings import TrainSettings
from napari_centermask.widgets.parts.layout import column
from napari_centermask.widgets.parts.message_bar import MessageBar
from napari_centermask.widgets.project.session import ProjectSession
from napari_centermask.widgets.training.controls import NO_DATA
from napari_centermask.widgets.training.plan import DataFolder, Plan, data_folders
from napari_centermask.widgets.training.planner import Planner
from napari_centermask.widgets.training.session import Training
from napari_centermask.widgets.training.start_look import StartLook
from napari_centermask.widgets.training.tiles import TilesBox, draw_tiles
from napari_centermask.widgets.training.view import AdvancedBox, StartBox
from napari_centermask.widgets.training.where import estimated
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed


class StartPart(QWidget):
    """Chooses data and a start model, shows the computed settings, and starts a training with them.

    Attributes
    ----------
    note
        Outcome of checking the data: a summary of the settings, or why there are none.
    drawer
        Draws training tiles off the GUI thread.
    estimator
        Computes off the GUI thread what a run takes elsewhere.
    look
        Looks off the GUI thread at the images.
    advice
        That another model was trained on such images, with a button that starts from it.
    """

    def __init__(self, training: Training, projects: ProjectSession, *, on_change: Callable[[], None]) -> None:
        super().__init__()
        self.training, self.projects = training, projects
        self.planner = Planner()
        self.note = ""
        self._on_change = on_change
        self._wanted: Literal["", "training", "tiles"] = ""  # what follows when the settings are computed
        self._has_own_model = False
        self.drawer, self.estimator = Runner(), Runner()
        self._asked: tuple[TrainSettings, Place] | None = None  # what is being estimated
        self._folders: list[Path] = []
        self.look, self.advice, self._advised = StartLook(), MessageBar(), ""
        self._put_away = set[tuple[DataFolder | None, str]]()  # data, and models that they are trained with anyway
        self.box, self.tiles, self.advanced = StartBox(), TilesBox(), AdvancedBox()
        layout = column(self)
        layout.setSpacing(12)
        layout.addWidget(self.box)
        layout.addWidget(self.advice)
        layout.addWidget(self.tiles)
        layout.addWidget(self.advanced)
        self._connect()

    def _connect(self) -> None:
        links = Connections(self)
        links.add(self.box.data.currentIndexChanged, self._on_source_picked)
        links.add(self.box.folder.clicked, self._on_folder)
        links.add(self.box.models.currentIndexChanged, self._on_source_picked)
        links.add(self.box.models.activated, self._on_model_picked)
        links.add(self.box.start.clicked, self.fine_tune)
        links.add(self.box.tiles.clicked, self.preview_tiles)
        links.add(self.drawer.ended, self._on_drawn)
        links.add(self.estimator.ended, self._on_estimated)
        links.add(self.box.where.changed, lambda: self._on_change())
        links.add(self.advanced.fold.toggled, self._on_advanced)
        links.add(self.planner.planned, self._on_planned)
        links.add(self.look.changed, self._advise)
        links.on_end(self.look.cancel)
        links.on_end(self.drawer.cancel)
        links.on_end(self.estimator.cancel)
        links.on_end(self.planner.close)  # a plan that was not started leaves nothing behind

    @property
    def source(self) -> DataFolder | None:
        """The data to train on."""
        return self.box.data.currentData()

    def add_folder(self, folder: Path) -> None:
        """Add a folder with images and annotations, and choose it."""
        if folder not in self._folders:
            self._folders.append(folder)
        self.list_sources(chosen=DataFolder(folder))

    def list_sources(self, chosen: DataFolder | None = None) -> None:
        """Offer the open project and the folders; the choice stays."""
        chosen = chosen or self.source
        project = self.projects.project
        offered = data_folders(None if project is None else project.folder, self._folders)
        with QSignalBlocker(self.box.data):
            self.box.data.clear()
            for source in offered:
                self.box.data.addItem(source.title, source)
                self.box.data.setItemData(self.box.data.count() - 1, str(source.folder), Qt.ItemDataRole.ToolTipRole)
            self.box.data.setCurrentIndex(offered.index(chosen) if chosen in offered else 0)
        self._on_source_picked()

    def fine_tune(self) -> None:
        """Start training with the chosen data and model, and computed settings; an error becomes a notification.

        While the data are being checked, stop that instead.
        """
        if self.planner.is_running:
            self._wanted = ""
            self.planner.cancel()
        else:
            self._compute_for("training")

    def preview_tiles(self) -> None:
        """Show augmented training tiles of what is chosen; an error becomes a notification."""
        self._compute_for("tiles")

    def _compute_for(self, wanted: Literal["training", "tiles"]) -> None:
        if self.source is None:
            notify(NO_DATA)
            return
        self._wanted = wanted
        self.compute()

    def compute(self) -> None:
        """Compute the settings off the GUI thread, and show them when that is done."""
        if self.source is None:
            return
        try:
            self._save_project(self.source)
        except UserError as error:
            self._wanted = ""
            notify(str(error), error.page)
            return
        self._forget_tiles()
        self.planner.ask(self.source, self.box.models.currentText(), self.box.models.network)
        self._on_change()

    def _save_project(self, source: DataFolder) -> None:
        """Save the project, so that training uses all of it."""
        project = self.projects.project
        if source.is_project and project is not None and not project.read_only:
            self.projects.save()

    def follow_model_in_use(self) -> None:
        """Start from the model in use, unless another one was chosen here or training is starting with the shown one."""
        if not (self._has_own_model or self._wanted == "training"):
            self.box.models.choose(self.training.in_use.name)

    def use_new_model(self) -> None:
        """Start the next training from a model that was just installed and is in use."""
        self._has_own_model = False
        self.follow_model_in_use()

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder with images and annotations.json")
        if folder:
            self.add_folder(Path(folder))

    def _on_model_picked(self, *_: object) -> None:
        self._has_own_model = self.box.models.currentText() != self.training.in_use.name

    def _on_source_picked(self, *_: object) -> None:
        self.note = ""
        self.box.about.setToolTip("")
        self._forget_tiles()
        self._advise()
        if self._wanted or self.advanced.fold.isExpanded():
            self.compute()
        else:
            self.planner.forget()
        self._on_change()

    def _advise(self) -> None:
        """Say if another model than the chosen one was trained on images like most of the data."""
        source, models, project = self.source, self.box.models, self.projects.project
        is_open = source is not None and source.is_project and project is not None
        paths = tuple(i.path for i in project.images if not i.problem) if is_open else ()
        kinds = self.look.kinds(source, paths)
        chosen = models.card
        other, text = ("", "") if chosen is None else better_start(chosen, kinds, models.cards)
        if (source, models.currentText()) in self._put_away:
            text = ""
        if text == self._advised:  # also if it was answered
            return
        self._advised = text
        if text:
            take, keep = partial(self._on_advised, other), partial(self._put_away.add, (source, models.currentText()))
            self.advice.show_message(text, [(f"Start from {other}", take), ("Close", keep)])
        else:
            self.advice.clear()

    def _on_advised(self, model: str) -> None:
        """Start from another model, as if it was chosen in the list."""
        self.box.models.choose(model)
        self._on_model_picked()

    def _on_advanced(self, is_open: bool) -> None:
        """Compute the settings when the form is opened."""
        if is_open and self.planner.plan is None:
            self.compute()

    def _on_planned(self, value: Plan | Failed | None) -> None:
        wanted, self._wanted = self._wanted, ""
        if isinstance(value, Plan):
            try:
                self._show_plan(value)
            except UserError as error:
                value = Failed.of(error)
                self.planner.forget()
        if isinstance(value, Plan) and wanted == "training":
            self._begin()
        elif isinstance(value, Plan) and wanted == "tiles" and not self.drawer.is_running:
            self.drawer.start("", draw_tiles, self.advanced.form.value())
        elif isinstance(value, Failed):
            self.note = value.message
            notify(value.message, value.page)
        self._on_change()

    def _show_plan(self, plan: Plan) -> None:
        """Show computed settings; changes made in the form are kept.

        Raises
        ------
        UserError
            If such a change is out of range, or does not fit the other settings.
        """
        form = self.advanced.form
        form.follow(plan.settings)
        self.note = replace(plan, settings=form.value()).summary
        self.box.where.show_advice(form.value())
        reasons = (f"{name.replace('_', ' ')}: {reason}" for name, reason in plan.reasons.items())
        self.box.about.setToolTip("\n".join(reasons))

    def _forget_tiles(self) -> None:
        """The picture is of other settings, and the data of the one in the making are removed."""
        self.drawer.cancel()
        self.estimator.cancel()
        self.box.where.show_advice(None)
        self.tiles.set_image(None)

    def _on_drawn(self, value: QImage | Failed | None) -> None:
        if isinstance(value, Failed):
            notify(value.message, value.page)
        elif value is not None:
            self.tiles.set_image(value)
        self._on_change()

    def _begin(self) -> None:
        """Start with the shown settings; elsewhere, first show what that takes."""
        try:
            place = self.box.where.place()
        except UserError as error:
            notify(str(error), error.page)
            return
        if place is None:
            self._start(self.advanced.form.value(), None)
        else:
            self._asked = self.advanced.form.value(), place
            self.estimator.start("", estimated, *self._asked)

    def _on_estimated(self, value: CloudPlan | Failed | None) -> None:
        asked, self._asked = self._asked, None
        if isinstance(value, Failed):
            notify(value.message, value.page)
        elif value is not None and asked is not None and self.planner.plan is not None:
            self.box.where.show_advice(value.settings)
            if self._is_confirmed(value):
                self._start(*asked)
        self._on_change()

    def _is_confirmed(self, plan: CloudPlan) -> bool:
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        text = "\n".join(["Train on Azure? It costs what Azure asks for these node-hours.", "", *plan.lines])
        return QMessageBox.question(self, "CenterMask", text, yes | no, no) == yes

    def _start(self, settings: TrainSettings, place: Place | None) -> None:
        if self.training.start(settings, place):
            self.planner.release()
        self.follow_model_in_use()
