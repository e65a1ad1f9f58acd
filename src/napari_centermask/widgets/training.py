"""The training that a viewer shows: started, watched and steered. It belongs to the viewer and outlives its docks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.utils.notifications import show_error
from psygnal import Signal

from ..jobs.process import Job
from .job import Failed
from .run_state import RunState
from .run_watch import Report, list_runs, watch
from .runner import Runner

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ..settings import TrainSettings

ALIVE = {"starting", "running", "paused", "stopping"}
_SESSIONS: WeakKeyDictionary[Viewer, Training] = WeakKeyDictionary()


def training_of(viewer: Viewer) -> Training:
    """The viewer's training, made on first use."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _SESSIONS:
        _SESSIONS[viewer] = Training()
    return _SESSIONS[viewer]


class Training:
    """One job in view; others may run on in the background.

    Attributes
    ----------
    changed
        Emitted when anything is new: stage, curves, state. At most four times a second.
    pictured
        Emitted with (name, picture) pairs after an evaluation.
    compared
        Emitted with a `comparison.Compared` when the new model was compared with the old one.
    opened
        Emitted when another job, or none, came into view.
    ended
        Emitted with the last `Report` when the job in view has ended, or had ended before it was opened; with None
        when it was thrown away or could not be started.
    listed
        Emitted with the runs that were found.
    state, report
        What the job in view has told.
    """

    changed = Signal()
    pictured = Signal(object)
    compared = Signal(object)
    opened = Signal()
    ended = Signal(object)
    listed = Signal(object)

    def __init__(self) -> None:
        self.watcher, self._lister = Runner(), Runner()
        self.job: Job | None = None
        self.state, self.report = RunState(), None
        self._next: Callable[[], Job | None] | None = None
        self._wants_list: tuple[Path, ...] | None = None
        self.watcher.ended.connect(self._on_ended)
        self._lister.ended.connect(self._on_listed)

    @property
    def is_alive(self) -> bool:
        """Whether the job in view works, as far as it has told."""
        return self.job is not None and self.state.state in ALIVE

    def start(self, settings: TrainSettings) -> None:
        """Start a training and bring it into view; a mistake becomes a notification."""
        self._watch(partial(Job.start, settings))

    def open(self, folder: Path) -> None:
        """Bring a run into view, working or ended."""
        self._watch(partial(Job.open, folder))

    def retry(self, **changes: Any) -> None:
        """Start the ended job in view again, with changed settings."""
        self._watch(partial(_again, self.job.folder, changes))

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

    def discard(self) -> None:
        """End the job and delete its folder."""
        job = self.job
        self._watch(partial(_discarded, job))

    def leave(self) -> None:
        """Do not watch any more; the job goes on."""
        self._next, self.job = None, None
        self.watcher.cancel()
        self._lister.cancel()

    def look(self, folders: tuple[Path, ...]) -> None:
        """List the runs in some folders; `listed` has them."""
        if self._lister.is_running:
            self._wants_list = folders
        else:
            self._lister.start("", list_runs, folders)

    def _watch(self, begin: Callable[[], Job | None]) -> None:
        self._next = begin
        if self.watcher.is_running:
            self.watcher.cancel()  # the next begins when it has ended
        else:
            self._begin()

    def _begin(self) -> None:
        begin, self._next = self._next, None
        self.job, self.state, self.report = None, RunState(), None
        self.opened.emit()
        # No bar of napari's: while one is open an animation turns in the status bar, and each of its frames draws the
        # whole window anew, 75 ms with software OpenGL.
        self.watcher.start("", watch, begin, on_yield=self._on_news)

    def _on_news(self, item: Job | Report | None) -> None:
        if isinstance(item, Job) and not self.watcher.cancelled:
            self.job = item
            self.opened.emit()
        elif isinstance(item, Report) and self.job is not None:
            self.report = item
            for event in item.events:
                self.state.feed(event)
            self.state.state = item.state
            if item.pictures:
                self.pictured.emit(item.pictures)
            if item.compared is not None:
                self.compared.emit(item.compared)
            self.changed.emit()

    def _on_ended(self, value: Any) -> None:
        if isinstance(value, Failed):
            show_error(value.message)
        if self._next is not None:
            self._begin()
            return
        if not self.watcher.cancelled and not self.is_alive:
            self.ended.emit(self.report)
        self.changed.emit()

    def _on_listed(self, value: Any) -> None:
        if isinstance(value, list):
            self.listed.emit(value)
        folders, self._wants_list = self._wants_list, None
        if folders is not None:
            self.look(folders)


def _again(folder: Path, changes: dict[str, Any]) -> Job:
    job = Job.open(folder)
    job.retry(**changes)
    return job


def _discarded(job: Job) -> None:
    job.discard()
