"""The dock Fine-tune: one click starts training; the dock shows its progress and outcome."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QMessageBox

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.parts.layout import WIDTH, stack
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.training.close_guard import guard
from napari_centermask.widgets.training.comparison import ComparisonBox
from napari_centermask.widgets.training.controls import Controls, DockState, controls, install_question, remedies
from napari_centermask.widgets.training.elsewhere import ElsewhereBox
from napari_centermask.widgets.training.new_model import free_name, predict_next
from napari_centermask.widgets.training.plan import DataFolder, Plan, name_for, user_runs
from napari_centermask.widgets.training.planner import Planner
from napari_centermask.widgets.training.runs import run_to_open
from napari_centermask.widgets.training.session import training_of
from napari_centermask.widgets.training.start_part import StartPart
from napari_centermask.widgets.training.view import (
    CurvesBox,
    FailureBox,
    InstallBox,
    ProgressBox,
    RunsBox,
    primary,
    settle,
)
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.run_state import rest_of

if TYPE_CHECKING:
    from napari_centermask.widgets.training.run_watch import RunUpdate
    from napari_centermask.widgets.training.runs import Run

_LOOK_MS = 3000  # interval between checks of a run in the background


class TrainDock(Dock):
    """Fine-tune a model on corrected cells.

    The dock is a view: the run belongs to the viewer's `Training`, which outlives it. `controls` computes from `state` what
    its buttons may do.
    """

    title = "Fine-tune"
    hint = (
        "The model is trained on what you reviewed: review a few images or regions of a project, press "
        "Fine-tune, and keep working meanwhile."
    )

    def _set_up(self) -> None:
        self.training = training_of(self._viewer)
        self.projects = project_session_of(self._viewer)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LOOK_MS)
        self._opens_newest = False
        self._build()
        self._connect()
        self._on_project()
        self.part.follow_model_in_use()
        self._show_run()

    def _build(self) -> None:
        self.runs, self.progress, self.failure = RunsBox(), ProgressBox(), FailureBox()
        self.comparison, self.new_model, self.progress_curves = ComparisonBox(), InstallBox(), CurvesBox()
        self.elsewhere = ElsewhereBox()
        self.part = StartPart(self.training, self.projects, on_change=self._refresh)
        self.start, self.advanced = self.part.box, self.part.advanced
        upper = (self.part, self.runs, self.progress, self.elsewhere, self.failure)
        stack(self, (*upper, self.new_model, self.comparison, self.progress_curves))

    def sizeHint(self) -> QSize:
        """Room for the curves."""
        return QSize(WIDTH, 760)

    def _connect(self) -> None:
        self.links.add(self.runs.runs.activated, lambda at: self.training.open(Path(self.runs.runs.itemData(at))))
        self.links.add(self.progress.pause.clicked, self._on_pause)
        self.links.add(self.progress.stop.clicked, lambda: self.training.stop())
        self.links.add(self.progress.discard.clicked, self._on_discard)
        self.links.add(self.new_model.install.clicked, self.install)
        self.links.add(self.new_model.name.textChanged, self._refresh)
        self.links.add(self.new_model.predict.clicked, self.predict_next)
        self.links.add(self._timer.timeout, self._on_time)
        training = self.training
        for signal, slot in (
            (training.changed, self._show_state),
            (training.run_changed, self._show_run),
            (training.pictured, self.progress_curves.set_pictures),
            (training.compared, self._on_compared),
            (training.ended, self._on_ended),
            (training.install_ended, self._on_install_ended),
            (training.runs.listed, self._on_listed),
            (training.in_use.changed, self.part.follow_model_in_use),
            (self.projects.project_changed, self._on_project),
        ):
            self.links.add(signal, slot)

    @property
    def source(self) -> DataFolder | None:
        """The data to train on."""
        return self.part.source

    @property
    def planner(self) -> Planner:
        """Computes the settings."""
        return self.part.planner

    @property
    def plan(self) -> Plan | None:
        """The computed settings."""
        return self.part.planner.plan

    @property
    def state(self) -> DockState:
        """The state that the controls depend on."""
        training, update = self.training, self.training.latest
        compared, others = training.comparison, training.others
        return DockState(
            has_data=self.source is not None,
            is_planning=self.planner.is_running,
            note=self.part.note,
            is_drawing=self.part.drawer.is_running,
            is_new=bool(self.start.models.network),
            run="" if training.job is None else training.state.state,
            is_pausing=training.is_pausing,
            can_resume=update is not None and update.can_resume,
            has_model=update is not None and update.model is not None,
            rest=rest_of(training.state),
            other=others[0].name if others else "",
            name=self.new_model.name.text(),
            installed=training.installed,
            is_installing=training.installer.is_running,
            installation_error=training.installation_error,
            verdict="" if compared is None else compared.sentence,
            is_recommended=compared is not None and compared.is_recommended,
            is_for_azure=self.start.where.is_elsewhere,
            no_azure=self.start.where.missing,
            is_estimating=self.part.estimator.is_running,
            is_elsewhere=training.job is not None and training.job.is_elsewhere,
            read_only="" if self.projects.project is None else self.projects.project.read_only,
        )

    def _refresh(self, *_: object) -> None:
        """Update the controls from the state."""
        state = self.state
        self._show_controls(controls(state))
        job = self.training.job
        folder = job.folder if job is not None and state.is_elsewhere else None
        self.elsewhere.show_run(folder, state.name, has_model=state.has_model and not state.is_alive)
        if state.other and self.isVisible():
            self._timer.start()  # the end of a run that is not shown is not reported

    def _show_controls(self, shown: Controls) -> None:
        self.start.about.setText(shown.about)
        show_control(self.start.start, shown.start)
        show_control(self.start.tiles, shown.tiles)
        show_control(self.progress.pause, shown.pause)
        show_control(self.progress.stop, shown.stop)
        show_control(self.progress.discard, shown.discard)
        show_control(self.new_model.install, shown.install)
        show_control(self.new_model.predict, shown.predict)
        self.new_model.status.setText(shown.installation)
        primary(self.new_model.install, shown.highlights_install)
        for box in (self.progress, self.progress_curves):
            box.setVisible(shown.shows_run)
        self.new_model.setVisible(shown.shows_install)

    def fine_tune(self) -> None:
        """Start training with the chosen data and model, and computed settings; an error becomes a notification."""
        self.part.fine_tune()

    def add_folder(self, folder: Path) -> None:
        """Add a folder with images and annotations, and choose it."""
        self.part.add_folder(folder)

    def _on_project(self) -> None:
        self.part.list_sources()
        self._opens_newest = True
        self._look()
        self._refresh()

    def _look(self) -> None:
        """List the runs of the project and of this machine."""
        project = self.projects.project
        own = () if project is None else (DataFolder(project.folder, is_project=True).runs,)
        self.training.runs.look((*own, user_runs()))

    def _on_pause(self) -> None:
        if controls(self.state).resumes:
            self.training.resume()
        else:
            self.training.pause()

    def _on_discard(self) -> None:
        job = self.training.job
        if job is None:
            return
        question = f"End '{job.name}' and delete its folder, with its model and curves?"
        yes = QMessageBox.StandardButton.Discard
        answer = QMessageBox.question(self, "CenterMask", question, yes | QMessageBox.StandardButton.Cancel)
        if answer == yes:
            self.training.discard()

    def _show_run(self) -> None:
        """Another run is shown, or none."""
        self.failure.clear()
        self.progress_curves.set_pictures(self.training.pictures)
        self.comparison.show_comparison(self.training.comparison)
        job = self.training.job
        self.runs.show_current(None if job is None else job.folder)
        self.new_model.name.setText("" if job is None else free_name(name_for(job.folder)))
        guard(self, self.training)
        self._show_state()
        self._show_end()

    def _show_state(self) -> None:
        """Show an update of the shown run."""
        self._refresh()
        if self.training.job is not None:
            self.progress.show_state(self.training.state)
            self.progress_curves.curves.show_state(self.training.state)
        settle()
        self.progress_curves.curves.prepare()

    def _on_compared(self, compared: Any) -> None:
        self.comparison.show_comparison(compared)
        self._refresh()

    def _on_ended(self, update: RunUpdate | None) -> None:
        self._look()
        self._show_end()

    def _show_end(self) -> None:
        """Show the outcome of the shown run, if it has ended."""
        update = self.training.latest
        if update is None or self.training.is_alive:
            return
        if update.failure is not None:
            options = remedies(update.failure, can_resume=update.can_resume)
            acts = [(option.title, partial(self.training.retry, **option.changes)) for option in options]
            self.failure.show_failure(update.failure.message, acts)
        if self.training.installed:
            self.new_model.name.setText(self.training.installed)
            self.start.models.reload()

    def install(self) -> None:
        """Install the new model and use it; asks first if the comparison does not recommend it."""
        state, job = self.state, self.training.job
        has_start = bool(state.verdict) or job is None or job.settings.start is not None
        if question := install_question(state, has_start=has_start):
            yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
            if QMessageBox.question(self, "CenterMask", question, yes | no, no) != yes:
                return
        self.training.install(self.new_model.name.text())
        self._refresh()

    def _on_install_ended(self, worked: bool) -> None:
        if worked:
            self.part.use_new_model()
            self._show_end()
        self._refresh()

    def predict_next(self) -> None:
        """Segment the next image with the new model; an error becomes a notification."""
        try:
            predict_next(self._viewer, self.training.installed)
        except UserError as error:
            notify(str(error), error.page)

    def _on_listed(self, runs: list[Run]) -> None:
        job = self.training.job
        self.runs.set_runs(runs, None if job is None else job.folder)
        opens, self._opens_newest = self._opens_newest, False
        run = run_to_open(runs)
        if opens and run is not None and job is None and not self.training.watcher.is_running:
            self.training.open(run.folder)

    def _on_time(self) -> None:
        """Check whether a run in the background has ended."""
        if not self.training.others:
            self._look()
        self._refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """List the runs, and watch for the closing of the window."""
        super().showEvent(event)
        guard(self, self.training)
        self._look()
