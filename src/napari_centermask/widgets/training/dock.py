"""The dock "CenterMask: Fine-tune": one click starts a training; it shows how it goes and whether it worked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QSignalBlocker, QSize, QTimer
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_centermask.core.errors import UserError
from napari_centermask.models.store.zoo import is_name
from napari_centermask.widgets.parts.layout import STYLE, WIDTH, stack
from napari_centermask.widgets.parts.pickers import hint
from napari_centermask.widgets.parts.tabs import share_place
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.training.adoption import free_name, predict_next
from napari_centermask.widgets.training.close_guard import guard
from napari_centermask.widgets.training.comparison import ComparisonBox
from napari_centermask.widgets.training.plan import Draft, Plan, Source, plan, user_runs
from napari_centermask.widgets.training.session import ALIVE, training_of
from napari_centermask.widgets.training.view import (
    AdoptBox,
    AdvancedBox,
    FailureBox,
    LearningBox,
    ProgressBox,
    RunsBox,
    StartBox,
    primary,
    settle,
)
from napari_centermask.widgets.work.runner import Runner

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_centermask.widgets.training.run_watch import Report, Run

_LOOK_MS = 3000  # between looks at a training that works in the background
_NO_DATA = "Open a project with reviewed images (CenterMask: Project), or choose a folder in COCO form."


class TrainDock(QWidget):
    """Fine-tune a model on what was corrected.

    The dock is a view: the run belongs to the viewer's `Training`, which outlives it, and the job to nobody.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.training = training_of(napari_viewer)
        self.projects = project_session_of(napari_viewer)
        self.in_use = self.training.in_use
        self.planner, self.draft = Runner(), Draft()
        self._starts = self._has_own_model = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LOOK_MS)
        self._asked: tuple[Source | None, str] = (None, "")
        self._folders: list[Path] = []
        self._build()
        self._connect()
        self._on_project()
        self._on_model_in_use()
        self._show_run()

    def _build(self) -> None:
        self.start, self.runs = StartBox(), RunsBox()
        self.progress, self.failure, self.learning = ProgressBox(), FailureBox(), LearningBox()
        self.comparison, self.adoption = ComparisonBox(), AdoptBox()
        self.advanced = AdvancedBox()
        self.setStyleSheet(STYLE)
        share_place(self, "Fine-tune")
        upper = (self.start, self.advanced, self.runs, self.progress, self.failure)
        stack(self, (*upper, self.comparison, self.adoption, self.learning))

    def sizeHint(self) -> QSize:
        """Room for the curves."""
        return QSize(WIDTH + 20, 760)

    def _connect(self) -> None:
        self.start.data.currentIndexChanged.connect(self._on_source_picked)
        self.start.folder.clicked.connect(self._on_folder)
        self.start.models.currentIndexChanged.connect(self._on_source_picked)
        self.start.models.activated.connect(self._on_model_picked)
        self.start.start.clicked.connect(self.fine_tune)
        self.advanced.fold.toggled.connect(self._on_advanced)
        self.runs.runs.activated.connect(lambda at: self.training.open(Path(self.runs.runs.itemData(at))))
        self.progress.pause.clicked.connect(self._on_pause)
        self.progress.stop.clicked.connect(lambda: self.training.stop())
        self.progress.discard.clicked.connect(self._on_discard)
        self.adoption.adopt.clicked.connect(self.adopt)
        self.adoption.name.textChanged.connect(self._refresh)
        self.adoption.predict.clicked.connect(self.predict_next)
        self._timer.timeout.connect(self._on_time)
        training = self.training
        links = [
            (training.changed, self._show_state),
            (training.opened, self._show_run),
            (training.pictured, self.learning.set_pictures),
            (training.compared, self.comparison.show_comparison),
            (training.ended, self._on_ended),
            (training.adopted, self._on_adopted),
            (training.listed, self._on_listed),
            (self.in_use.changed, self._on_model_in_use),
            (self.projects.opened, self._on_project),
            (self.planner.ended, self._on_planned),
        ]
        for signal, slot in links:
            signal.connect(slot)
        planner, draft = self.planner, self.draft
        self.destroyed.connect(lambda: _end(links, planner, draft))

    @property
    def source(self) -> Source | None:
        """What to learn from."""
        return self.start.data.currentData()

    @property
    def plan(self) -> Plan | None:
        """The computed settings."""
        return self.draft.plan

    @property
    def adopted(self) -> str:
        """The name under which the model of the run in view is installed; empty if it is not."""
        return self.training.installed

    def fine_tune(self) -> None:
        """Start with what is chosen, all else computed; a mistake becomes a notification."""
        if self.source is None:
            show_error(_NO_DATA)
            return
        self._starts = self.planner.is_running or self.compute()

    def add_folder(self, folder: Path) -> None:
        """Offer a folder in COCO form, and choose it."""
        if folder not in self._folders:
            self._folders.append(folder)
        self._list_sources(chosen=Source(folder))

    def _list_sources(self, chosen: Source | None = None) -> None:
        chosen = chosen or self.source
        project = self.projects.project
        sources = [] if project is None else [Source(project.folder, is_project=True)]
        sources += [Source(folder) for folder in self._folders]
        with QSignalBlocker(self.start.data):
            self.start.data.clear()
            for source in sources:
                self.start.data.addItem(source.title, source)
            self.start.data.setCurrentIndex(max(sources.index(chosen) if chosen in sources else 0, 0))
        self._on_source_picked()

    def _on_project(self) -> None:
        self._list_sources()
        self._wants_run = True
        self.training.look(self._run_folders())

    def _run_folders(self) -> tuple[Path, ...]:
        project = self.projects.project
        own = () if project is None else (Source(project.folder, is_project=True).runs,)
        return (*own, user_runs())

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder with images and annotations.json")
        if folder:
            self.add_folder(Path(folder))

    def _on_model_picked(self, *_) -> None:
        self._has_own_model = self.start.models.currentText() != self.in_use.name

    def _on_model_in_use(self, *_) -> None:
        """Start from the model in use, unless a person chose another one here or starts with the one shown."""
        if not (self._has_own_model or self._starts):
            self.start.models.choose(self.in_use.name)

    def _on_source_picked(self, *_) -> None:
        self.draft.show(None)
        self.start.about.setText("" if self.source is not None else _NO_DATA)
        self.start.about.setToolTip("")
        if self.advanced.fold.isExpanded():
            self.compute()
        self._refresh()

    def _on_advanced(self, is_open: bool) -> None:
        """The form needs computed settings."""
        if is_open and self.plan is None:
            self.compute()

    def compute(self) -> bool:
        """Look at the data and compute the settings off the GUI thread; they are shown when that is done."""
        if self.source is None or self.planner.is_running or not self._save():
            return False
        self.draft.show(None)
        self.start.about.setText("Looking at the data")
        self._asked = (self.source, self.start.models.currentText())
        self.planner.start("", plan, *self._asked)
        self._refresh()
        return True

    def _save(self) -> bool:
        """Write the project, so that the training sees all of it."""
        project = self.projects.project
        try:
            if self.source.is_project and project is not None and not project.read_only:
                self.projects.save()
        except UserError as error:
            show_error(str(error))
            return False
        return True

    def _on_planned(self, value: Any) -> None:
        starts, self._starts = self._starts, False
        if self._asked != (self.source, self.start.models.currentText()):  # another choice was made meanwhile
            if isinstance(value, Plan):
                value.drop()
            self._starts = (starts or self.advanced.fold.isExpanded()) and self.compute() and starts
        elif isinstance(value, Plan):
            if self._take(value) and starts:
                self._begin()
                self._on_model_in_use()
        elif not self.planner.cancelled:
            text = getattr(value, "message", "The data could not be looked at.")
            self.start.about.setText(text)
            show_error(text)
        self._refresh()

    def _take(self, plan: Plan) -> bool:
        """Show a plan; what a person changed in the form stays. False if that cannot be used."""
        form = self.advanced.form
        try:
            changes = form.changes() if form.is_filled else {}
        except UserError as error:
            plan.drop()
            self.start.about.setText(str(error))
            show_error(str(error))
            return False
        self.draft.show(plan)
        form.set_value(plan.settings)
        form.show_changes(changes)
        with suppress(UserError):  # `_begin` says it
            self.start.about.setText(replace(plan, settings=form.value()).summary)
        reasons = (f"{name.replace('_', ' ')}: {reason}" for name, reason in plan.reasons.items())
        self.start.about.setToolTip("\n".join(reasons))
        return True

    def _begin(self) -> None:
        try:
            settings = self.advanced.form.value()
        except UserError as error:
            show_error(str(error))
            return
        if self.training.start(settings):
            self.draft.release()

    def _on_pause(self) -> None:
        if self.training.state.state in ("running", "starting"):
            self.training.pause()
            hint(self.progress.pause, "It waits after this step.", enabled=False)
        else:
            self.training.resume()

    def _on_discard(self) -> None:
        name = self.training.job.name
        question = f"End '{name}' and delete its folder, with its model and curves?"
        yes = QMessageBox.StandardButton.Discard
        answer = QMessageBox.question(self, "CenterMask", question, yes | QMessageBox.StandardButton.Cancel)
        if answer == yes:
            self.training.discard()

    def _show_run(self) -> None:
        """Another run is in view, or none."""
        self.failure.clear()
        self.learning.set_pictures(self.training.pictures)
        self.comparison.show_comparison(self.training.comparison)
        job = self.training.job
        self.runs.show_current(None if job is None else job.folder)
        self.adoption.name.setText("" if job is None else free_name(_wish(job.folder)))
        self.adoption.status.setText("")
        guard(self, self.training)
        self._show_state()
        self._show_end()

    def _show_state(self) -> None:
        state = self.training.state
        has_run = self.training.job is not None
        for box in (self.progress, self.learning):
            box.setVisible(has_run)
        report = self.training.report
        self.adoption.setVisible(has_run and not self.training.is_alive and report is not None and bool(report.model))
        if has_run:
            self.progress.show_state(state)
            self.learning.curves.show_state(state)
        self._refresh()
        settle()
        self.learning.curves.prepare()

    def _on_ended(self, report: Report | None) -> None:
        self.training.look(self._run_folders())
        self._show_end()

    def _show_end(self) -> None:
        """What came of the run in view, where it has ended."""
        report = self.training.report
        if report is None or self.training.is_alive:
            return
        if report.failure is not None:
            self.failure.show_failure(report.failure.message, self._remedies(report))
        if self.adopted:
            self._show_adopted()

    def adopt(self) -> None:
        """Install the new model; asks where the comparison advises against it."""
        compared = self.comparison.compared
        if compared is None or not compared.is_recommended:
            why = "It was not compared with the model it came from." if compared is None else compared.sentence
            yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
            if QMessageBox.question(self, "CenterMask", f"{why} Adopt it all the same?", yes | no, no) != yes:
                return
        self.adoption.status.setText("Installing; its graphs take some seconds.")
        self.training.adopt(self.adoption.name.text())
        self._refresh()

    def _on_adopted(self, value: Any) -> None:
        if isinstance(value, str):
            self._has_own_model = False
            self._on_model_in_use()
            self._show_end()
        else:
            self.adoption.status.setText(getattr(value, "message", "It could not be installed."))
        self._refresh()

    def _show_adopted(self) -> None:
        """The model of the run in view is installed."""
        self.adoption.name.setText(self.adopted)
        self.adoption.status.setText(f"Installed as '{self.adopted}'; every dock offers it now.")
        self.start.models.reload()

    def predict_next(self) -> None:
        """Segment the next image with the adopted model; a mistake becomes a notification."""
        try:
            predict_next(self._viewer, self.adopted)
        except UserError as error:
            show_error(str(error))

    def _remedies(self, report: Report) -> list[tuple[str, Any]]:
        failure, found = report.failure, []
        if failure.remedy:
            words = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in failure.remedy.items())
            found.append((f"Try again with {words}", lambda: self.training.retry(**failure.remedy)))
        title = "Go on from the last checkpoint" if report.can_resume else "Start again"
        found.append((title, lambda: self.training.retry()))
        return found

    def _on_listed(self, runs: list[Run]) -> None:
        job = self.training.job
        self.runs.set_runs(runs, None if job is None else job.folder)
        wants, self._wants_run = self._wants_run, False
        if wants and runs and job is None and not self.training.watcher.is_running:
            self.training.open(next((r for r in runs if r.state in ALIVE), runs[0]).folder)

    def _on_time(self) -> None:
        """A training in the background works still, or has ended."""
        if not self.training.others:
            self.training.look(self._run_folders())
        self._refresh()

    def _refresh(self) -> None:
        """Enable what can work and say why the rest cannot."""
        others = self._others_at_work()
        reason = self._obstacle() or others
        text = reason or "Start a training in a process of its own; you can work on meanwhile."
        hint(self.start.start, text, enabled=not reason)
        training, state = self.training, self.training.state.state
        paused = state == "paused"
        ended = not training.is_alive
        has_rest = ended and training.report is not None and training.report.can_resume and state != "done"
        can_go_on = has_rest and not others
        self.progress.pause.setText("Resume" if paused or ended else "Pause")
        hint(
            self.progress.pause,
            "Go on."
            if paused or can_go_on
            else others
            if has_rest
            else "It has ended."
            if ended
            else "Hold it after its step, its state saved.",
            enabled=(not ended and state != "stopping") or can_go_on,
        )
        hint(
            self.progress.stop,
            "It has ended." if ended else "End it; the best model so far is kept.",
            enabled=not ended and state != "stopping",
        )
        self._refresh_adoption()
        hint(self.progress.discard, "End it and delete its folder.", enabled=training.job is not None)

    def _obstacle(self) -> str:
        """Why no training can start from here; empty if one can."""
        if self.source is None:
            return _NO_DATA
        if self.training.is_alive:
            return "A training works already. Stop it or wait."
        return "The data are looked at." if self.planner.is_running else ""

    def _others_at_work(self) -> str:
        """Which training works out of view, in words; empty if none does. Looked at again as long as one does."""
        others = self.training.others
        if others and self.isVisible():
            self._timer.start()
        return f"'{others[0].name}' works already. Choose it under 'Show' to stop it, or wait." if others else ""

    def _refresh_adoption(self) -> None:
        busy, name = self.training.installer.is_running, self.adoption.name.text()
        reason = (
            "It is being installed." if busy else "" if is_name(name) else "Letters, digits, '.', '_' and '-' only."
        )
        if self.adopted and name == self.adopted:
            reason = "It is installed."
        hint(self.adoption.adopt, reason or "Install the new model under this name.", enabled=not reason)
        text = "Segment the next image with it." if self.adopted else "Adopt the model first."
        hint(self.adoption.predict, text, enabled=bool(self.adopted))
        good = self.comparison.compared is not None and self.comparison.compared.is_recommended
        primary(self.adoption.adopt, good and not self.adopted)

    def showEvent(self, event) -> None:
        """Look which runs there are, and ask about them when the window is closed."""
        super().showEvent(event)
        guard(self, self.training)
        self.training.look(self._run_folders())


def _wish(folder: Path) -> str:
    """A name for the model of a run: that of its project, or of the run."""
    return folder.parent.parent.name if folder.parent.name == "runs" and folder.parent != user_runs() else folder.name


def _end(links: list[tuple], planner: Runner, draft: Draft) -> None:
    """Nobody looks any more: a plan that was not started leaves nothing behind."""
    for signal, slot in links:
        signal.disconnect(slot, missing_ok=True)
    planner.cancel()
    draft.show(None)
