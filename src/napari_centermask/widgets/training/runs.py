"""The runs on disk, and which of them are training."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psygnal import Signal

from napari_centermask.jobs.process import ALIVE, Job, find_jobs
from napari_centermask.widgets.work.runner import Runner


@dataclass(frozen=True)
class Run:
    """A row in the list of runs."""

    folder: Path
    state: str
    created: float = field(compare=False, default=0.0)


class RunList:
    """Lists runs off the GUI thread, and remembers jobs that were running when last seen.

    Attributes
    ----------
    listed
        Emitted with the runs, the newest first.
    """

    listed = Signal(object)

    def __init__(self) -> None:
        self._runner = Runner()
        self._runner.ended.connect(self._on_ended)
        self._jobs: dict[Path, Job] = {}
        self._next: tuple[Path, ...] | None = None

    @property
    def is_running(self) -> bool:
        """Whether folders are being listed."""
        return self._runner.is_running

    @property
    def running(self) -> list[Job]:
        """Known jobs that are running now."""
        return [job for job in self._jobs.values() if job.is_alive]

    def look(self, folders: tuple[Path, ...]) -> None:
        """List the runs in some folders and emit `listed`."""
        if self.is_running:
            self._next = folders
        else:
            self._runner.start("", list_runs, folders)

    def remember(self, job: Job) -> None:
        """Remember a job that is no longer shown and may still be running."""
        if job.is_alive:
            self._jobs[job.folder] = job

    def close(self) -> None:
        """Stop listing."""
        self._jobs = {}
        self._runner.cancel()

    def _on_ended(self, value: object) -> None:
        if isinstance(value, list):
            jobs = {run.folder: Job(run.folder) for run in value if run.state in ALIVE}
            self._jobs = jobs | {job.folder: job for job in self.running}
            self.listed.emit(value)
        folders, self._next = self._next, None
        if folders is not None:
            self.look(folders)


def run_to_open(runs: Sequence[Run]) -> Run | None:
    """The run to show at first: one that is running, else the newest."""
    return next((run for run in runs if run.state in ALIVE), runs[0] if runs else None)


def list_runs(folders: tuple[Path, ...]) -> Generator[None, None, list[Run]]:
    """The runs in some folders, the newest first; for the worker thread."""
    runs: list[Run] = []
    for folder in folders:
        for job in find_jobs(folder):
            yield
            runs.append(Run(job.folder, job.state, (job.folder / "job.json").stat().st_mtime))
    return sorted(runs, key=lambda run: run.created, reverse=True)
