"""Start, watch and control training; belongs to a viewer and outlives its docks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from psygnal import Signal

from napari_centermask.events import StartEvent
from napari_centermask.jobs.process import ALIVE, Job
from napari_centermask.widgets.training.new_model import install
from napari_centermask.widgets.training.run_watch import RunUpdate, watch
from napari_centermask.widgets.training.runs import RunList
from napari_centermask.widgets.viewer.state import ModelInUse, state_of
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.run_state import RunState
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.task_status import TaskStatus
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtGui import QImage

    from napari_centermask.jobs.place import Place
    from napari_centermask.settings import TrainSettings
    from napari_centermask.widgets.training.comparison import Compared


def training_of(viewer: Viewer) -> Training:
    """The viewer's training, made on first use."""
    state = state_of(viewer)
    return state.part(Training, lambda: Training(state.in_use))


class _Request(NamedTuple):
    """What to show next: `begin` starts, opens or deletes a job; a later request replaces one that only opens."""

    begin: Callable[[], Job | None]
    only_opens: bool = False


class Training:
    """One job is shown; others may be running in the background.

    Attributes
    ----------
    changed
        Emitted when stage, curves or state have changed, at most four times a second.
    pictured
        Emitted with (name, picture) pairs after an evaluation.
    compared
        Emitted with a `comparison.Compared` when the new model was compared with the old one, and with None when that is
        outdated.
    run_changed
        Emitted when another job, or none, is shown.
    ended
        Emitted with the last `RunUpdate` when the shown job has ended, or an ended job was opened; with None when it was
        deleted or could not be started.
    install_ended
        Emitted with whether a model was installed, after an attempt; `installed` and `installation_error` have the outcome.
    state, latest, pictures, comparison
        Data from the shown job.
    is_pausing
        Whether the shown job was asked to pause and has not paused yet.
    installed
        The name under which its model is installed; empty if it is not.
    installation_error
        Why it could not be installed; empty if that was not tried or is in progress.
    runs
        The runs on disk.
    installer
        Installs one model at a time off the GUI thread.
    in_use
        The viewer's model in use; a model that is installed here becomes it.
    """

    changed = Signal()
    pictured = Signal(object)
    compared = Signal(object)
    run_changed = Signal()
    ended = Signal(object)
    install_ended = Signal(bool)

    def __init__(self, in_use: ModelInUse) -> None:
        self.in_use = in_use
        self._task: TaskStatus | None = None
        self.watcher, self.installer, self.runs = Runner(), Runner(), RunList()
        self._forget()
        self._requests: list[_Request] = []
        self._has_begun = False
        self._installing: Path | None = None  # the run whose model is being installed
        self.watcher.ended.connect(self._on_ended)
        self.installer.ended.connect(self._on_installed)

    def _forget(self) -> None:
        """Clear the data of the shown job."""
        self.leave_tasks()
        self.job: Job | None = None
        self.state = RunState()
        self.latest: RunUpdate | None = None
        self.pictures: tuple[tuple[str, QImage], ...] = ()
        self.comparison: Compared | None = None
        self.is_pausing = False
        self.installed = self.installation_error = ""

    @property
    def is_alive(self) -> bool:
        """Whether the shown job is running, according to its last update."""
        return self.job is not None and self.state.state in ALIVE

    @property
    def others(self) -> list[Job]:
        """Known jobs that are running now and are not shown."""
        here = None if self.job is None else self.job.folder
        return [job for job in self.runs.running if job.folder != here]

    @property
    def live(self) -> list[Job]:
        """All known jobs that are running now."""
        here = [self.job] if self.job is not None and self.is_alive else []
        return here + self.others

    def start(self, settings: TrainSettings, place: Place | None = None) -> bool:
        """Start training, here or at a place, and show it; False, with a notification, if another run is in progress."""
        if not self._is_free():
            return False
        self._request(partial(Job.start, settings, place=place))
        return True

    def open(self, folder: Path) -> None:
        """Show a run, running or ended."""
        self._request(partial(Job.open, folder), only_opens=True)

    def retry(self, **changes: Any) -> None:
        """Restart the ended job with changed settings; shows a notification if another one is running."""
        if self.job is not None and self._is_free():
            self._request(partial(_again, self.job.folder, changes))

    def _is_free(self) -> bool:
        running = self.live
        if running:
            notify(f"Another training is running: '{running[0].name}'. Stop it or wait, then try again.")
        return not running

    def pause(self) -> None:
        """Ask the job to pause after the current step."""
        if self.job is not None:
            self.job.pause()
            self.is_pausing = True
            self.changed.emit()

    def resume(self) -> None:
        """Resume a paused job, or restart an ended one from its last state, without the time limit if that ended it."""
        if self.job is not None and self.is_alive:
            self.job.resume()
        elif self.state.is_limited:
            self.retry(minutes=None)
        else:
            self.retry()

    def stop(self) -> None:
        """Ask the job to end with its best model."""
        if self.job is not None:
            self.job.stop()
            self.state.state = "stopping"
            self.changed.emit()

    def stop_all(self) -> None:
        """Ask every job that is running to end with its best model."""
        for job in self.others:
            job.stop()
        if self.is_alive:
            self.stop()

    def discard(self) -> None:
        """End the job and delete its folder."""
        if self.job is not None:
            self._request(partial(_discarded, self.job))

    def leave_tasks(self) -> None:
        """Take the job out of napari's list of tasks: it has ended, or a person chose what becomes of it when napari closes."""
        if self._task is not None:
            self._task.end()
            self._task = None

    def end(self) -> None:
        """Stop watching; the job continues."""
        self.leave_tasks()
        self._requests, self.job = [], None
        self.runs.close()
        self.watcher.cancel()

    def install(self, name: str) -> None:
        """Install the model of the shown run under a name, and use it; emits `install_ended` afterwards."""
        if self.job is None or self.latest is None or self.latest.model is None:
            return
        self._installing, self.installation_error = self.job.folder, ""
        self.installer.start("", install, self.latest.model, name)

    def _request(self, begin: Callable[[], Job | None], *, only_opens: bool = False) -> None:
        self._requests = [r for r in self._requests if not r.only_opens] + [_Request(begin, only_opens)]
        if not self.watcher.is_running:
            self._begin()
        elif self._has_begun:
            self.watcher.cancel()  # the next begins when it has ended; cancelled before, it would not even start

    def _begin(self) -> None:
        if self.job is not None:
            self.runs.remember(self.job)
        begin, self._has_begun = self._requests.pop(0).begin, False
        self._forget()
        self.run_changed.emit()
        # No progress bar of napari's: while one is open, the status bar shows an animation, and each of its frames draws the
        # whole window again, 75 ms with software OpenGL.
        self.watcher.start("", watch, begin, on_yield=self._on_news)

    def _on_news(self, item: Job | RunUpdate | None) -> None:
        if isinstance(item, RunUpdate):
            if self.job is not None:
                self._take(item)
                self.changed.emit()
        elif item is not None:
            self.job, self._has_begun = item, True
            self._task = TaskStatus(f"fine-tuning {item.name}")
            if self._requests:
                self.watcher.cancel()
            self.run_changed.emit()

    def _take(self, update: RunUpdate) -> None:
        self.latest = update
        for event in update.events:
            self.state.feed(event)
        self.state.state = update.state
        if update.state not in ALIVE:
            self.leave_tasks()
        self.is_pausing = self.is_pausing and update.state in ("starting", "running")
        self.installed = update.installed or self.installed
        if update.pictures:
            self.pictures = update.pictures
            self.pictured.emit(update.pictures)
        has_started = any(isinstance(event, StartEvent) for event in update.events)
        if update.compared is not None or has_started:  # what an earlier session compared may have changed
            self.comparison = update.compared
            self.compared.emit(update.compared)

    def _on_ended(self, value: object) -> None:
        if isinstance(value, Failed):
            notify(value.message, value.page)
        if self._requests:
            self._begin()
            return
        if not self.watcher.cancelled and not self.is_alive:
            self.ended.emit(self.latest)
        self.changed.emit()

    def _on_installed(self, value: object) -> None:
        is_in_view = self.job is not None and self.job.folder == self._installing
        if isinstance(value, str):
            self.installed = value if is_in_view else self.installed
            self.in_use.choose(value)
        elif is_in_view:
            self.installation_error = value.message if isinstance(value, Failed) else "It could not be installed."
        self.install_ended.emit(isinstance(value, str))


def _again(folder: Path, changes: dict[str, Any]) -> Job:
    job = Job.open(folder)
    job.retry(**changes)
    return job


def _discarded(job: Job) -> None:
    job.discard()
