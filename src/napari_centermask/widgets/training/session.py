"""The training that a viewer shows: started, watched and steered. It belongs to the viewer and outlives its docks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from napari.utils.notifications import show_error
from psygnal import Signal

from napari_centermask.events import StartEvent
from napari_centermask.jobs.process import Job
from napari_centermask.widgets.training.adoption import install
from napari_centermask.widgets.training.run_watch import Report, Run, list_runs, watch
from napari_centermask.widgets.viewer.model_in_use import ModelInUse, model_in_use
from napari_centermask.widgets.work.run_state import RunState
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtGui import QImage

    from napari_centermask.settings import TrainSettings
    from napari_centermask.widgets.training.comparison import Compared

ALIVE = {"starting", "running", "paused", "stopping"}
_SESSIONS: WeakKeyDictionary[Viewer, Training] = WeakKeyDictionary()


def training_of(viewer: Viewer) -> Training:
    """The viewer's training, made on first use."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _SESSIONS:
        _SESSIONS[viewer] = Training(model_in_use(viewer))
    return _SESSIONS[viewer]


class _Wish(NamedTuple):
    """What shall come into view next; one that only looks gives way to the next wish."""

    begin: Callable[[], Job | None]
    only_looks: bool = False


class Training:
    """One job in view; others may run on in the background.

    Attributes
    ----------
    changed
        Emitted when anything is new: stage, curves, state. At most four times a second.
    pictured
        Emitted with (name, picture) pairs after an evaluation.
    compared
        Emitted with a `comparison.Compared` when the new model was compared with the old one, with None when that does not
        hold any more.
    opened
        Emitted when another job, or none, came into view.
    ended
        Emitted with the last `Report` when the job in view has ended, or had ended before it was opened; with None
        when it was thrown away or could not be started.
    adopted
        Emitted when an installation has ended, with the model's name or `Failed`.
    listed
        Emitted with the runs that were found.
    state, report, pictures, comparison
        What the job in view has told.
    installed
        The name under which its model is installed; empty if it is not.
    installer
        Installs one model at a time off the GUI thread.
    in_use
        The viewer's model; an adopted one becomes it.
    """

    changed = Signal()
    pictured = Signal(object)
    compared = Signal(object)
    opened = Signal()
    ended = Signal(object)
    adopted = Signal(object)
    listed = Signal(object)

    def __init__(self, in_use: ModelInUse) -> None:
        self.in_use = in_use
        self.watcher, self._lister, self.installer = Runner(), Runner(), Runner()
        self._forget()
        self._wishes: list[_Wish] = []
        self._has_begun = False
        self._known: dict[Path, Job] = {}  # those that worked when they were last seen
        self._adopting: Path | None = None
        self._wants_list: tuple[Path, ...] | None = None
        self.watcher.ended.connect(self._on_ended)
        self.installer.ended.connect(self._on_installed)
        self._lister.ended.connect(self._on_listed)

    def _forget(self) -> None:
        """Nothing is in view."""
        self.job: Job | None = None
        self.state = RunState()
        self.report: Report | None = None
        self.pictures: tuple[tuple[str, QImage], ...] = ()
        self.comparison: Compared | None = None
        self.installed = ""

    @property
    def is_alive(self) -> bool:
        """Whether the job in view works, as far as it has told."""
        return self.job is not None and self.state.state in ALIVE

    @property
    def others(self) -> list[Job]:
        """Jobs that work now and are not in view, of those that were listed or in view before."""
        here = None if self.job is None else self.job.folder
        return [job for folder, job in self._known.items() if folder != here and job.is_alive]

    @property
    def live(self) -> list[Job]:
        """All jobs that work now, as far as known."""
        return ([self.job] if self.is_alive else []) + self.others

    def start(self, settings: TrainSettings) -> bool:
        """Start a training and bring it into view; False, with a notification, where another one works."""
        if not self._is_free():
            return False
        self._watch(partial(Job.start, settings))
        return True

    def open(self, folder: Path) -> None:
        """Bring a run into view, working or ended."""
        self._watch(partial(Job.open, folder), only_looks=True)

    def retry(self, **changes: Any) -> None:
        """Start the ended job in view again, with changed settings; a notification where another one works."""
        if self._is_free():
            self._watch(partial(_again, self.job.folder, changes))

    def _is_free(self) -> bool:
        working = self.live
        if working:
            show_error(f"Expected no other training, '{working[0].name}' works. Stop it or wait, then try again.")
        return not working

    def pause(self) -> None:
        """Ask the job to wait after its step."""
        self.job.pause()

    def resume(self) -> None:
        """Let a waiting job go on, or start an ended one from its last state."""
        if self.is_alive:
            self.job.resume()
        else:
            self.retry()

    def stop(self) -> None:
        """Ask the job to end with its best model."""
        self.job.stop()
        self.state.state = "stopping"
        self.changed.emit()

    def stop_all(self) -> None:
        """Ask every job that works to end with its best model."""
        for job in self.others:
            job.stop()
        if self.is_alive:
            self.stop()

    def discard(self) -> None:
        """End the job and delete its folder."""
        job = self.job
        self._watch(partial(_discarded, job))

    def leave(self) -> None:
        """Do not watch any more; the job goes on."""
        self._wishes, self.job, self._known = [], None, {}
        self.watcher.cancel()
        self._lister.cancel()

    def adopt(self, name: str) -> None:
        """Install the model of the run in view under a name; `adopted` tells what came of it."""
        self._adopting = self.job.folder
        self.installer.start("", install, self.report.model, name)

    def look(self, folders: tuple[Path, ...]) -> None:
        """List the runs in some folders; `listed` has them."""
        if self._lister.is_running:
            self._wants_list = folders
        else:
            self._lister.start("", list_runs, folders)

    def _watch(self, begin: Callable[[], Job | None], *, only_looks: bool = False) -> None:
        self._wishes = [wish for wish in self._wishes if not wish.only_looks] + [_Wish(begin, only_looks)]
        if not self.watcher.is_running:
            self._begin()
        elif self._has_begun:
            self.watcher.cancel()  # the next begins when it has ended; cancelled before, it would not even start

    def _begin(self) -> None:
        if self.job is not None and self.job.is_alive:
            self._known[self.job.folder] = self.job
        begin, self._has_begun = self._wishes.pop(0).begin, False
        self._forget()
        self.opened.emit()
        # No bar of napari's: while one is open an animation turns in the status bar, and each of its frames draws the
        # whole window anew, 75 ms with software OpenGL.
        self.watcher.start("", watch, begin, on_yield=self._on_news)

    def _on_news(self, item: Job | Report | None) -> None:
        if isinstance(item, Job):
            self.job, self._has_begun = item, True
            if self._wishes:
                self.watcher.cancel()
            self.opened.emit()
        elif isinstance(item, Report) and self.job is not None:
            self._take(item)
            self.changed.emit()

    def _take(self, report: Report) -> None:
        self.report = report
        for event in report.events:
            self.state.feed(event)
        self.state.state = report.state
        self.installed = report.installed or self.installed
        if report.pictures:
            self.pictures = report.pictures
            self.pictured.emit(report.pictures)
        has_started = any(isinstance(event, StartEvent) for event in report.events)
        if report.compared is not None or has_started:  # what an earlier sitting compared may have changed
            self.comparison = report.compared
            self.compared.emit(report.compared)

    def _on_ended(self, value: Any) -> None:
        if isinstance(value, Failed):
            show_error(value.message)
        if self._wishes:
            self._begin()
            return
        if not self.watcher.cancelled and not self.is_alive:
            self.ended.emit(self.report)
        self.changed.emit()

    def _on_installed(self, value: Any) -> None:
        if isinstance(value, str):
            if self.job is not None and self.job.folder == self._adopting:
                self.installed = value
            self.in_use.choose(value)
        self.adopted.emit(value)

    def _on_listed(self, value: Any) -> None:
        if isinstance(value, list):
            self._note(value)
            self.listed.emit(value)
        folders, self._wants_list = self._wants_list, None
        if folders is not None:
            self.look(folders)

    def _note(self, runs: list[Run]) -> None:
        """Remember which jobs work."""
        known = {folder: job for folder, job in self._known.items() if job.is_alive}
        self._known = {run.folder: Job(run.folder) for run in runs if run.state in ALIVE} | known


def _again(folder: Path, changes: dict[str, Any]) -> Job:
    job = Job.open(folder)
    job.retry(**changes)
    return job


def _discarded(job: Job) -> None:
    job.discard()
