"""A training run in a separate process: started, watched, paused, stopped, and found again after a restart.

The run folder holds the whole state: `run.json` the settings, `job.json` the process, `events.jsonl` its standard
output, `log.txt` its standard error, `stop` and `pause` requests, `last.pt` the newest state and
`best.safetensors` the best model. Nothing is kept elsewhere, so that any program can take over a job.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import psutil
from pydantic import ValidationError

from napari_centermask.core.errors import BadSettings, CannotSave
from napari_centermask.events import (
    DoneEvent,
    Event,
    FailedEvent,
    NoticeEvent,
    PausedEvent,
    ResumedEvent,
    StageEvent,
    StartEvent,
    parse,
)
from napari_centermask.io.whole_file import whole_file
from napari_centermask.jobs.child import NICE, launch
from napari_centermask.jobs.command import RUN_FILE, check_new_run, command_line, write_run
from napari_centermask.jobs.explain import Failure, of_end, of_event
from napari_centermask.jobs.place import Place, is_elsewhere, write_place
from napari_centermask.settings import TrainSettings
from napari_centermask.training.run.folder import Control

State = Literal["starting", "running", "paused", "stopping", "done", "stopped", "failed"]
ALIVE = frozenset({"starting", "running", "paused", "stopping"})
"""States of a job that has not ended."""
GRACE_S = 60.0
"""Seconds that a job has to end by itself after a request to stop; see `EVALUATION_GRACE_S`."""
EVALUATION_GRACE_S = 600.0
"""The same while it is evaluating or comparing, which cannot be interrupted and produces the model that is kept."""
STATES = ("last.pt", "previous.pt")
LONG_STAGES = ("evaluating", "comparing", "downloading the model", "waiting until Azure has ended the job")
E = TypeVar("E", bound=Event)


class Job:
    """A training run in a separate process.

    Queries are cheap: they read a few small files. `poll` may be called from a timer or from a thread, not from
    two threads at once. A job continues when this program ends, and `find_jobs` finds it again.

    Use `Job.start` for a new one, `Job.open` for one on disk.
    """

    def __init__(self, folder: Path, process: subprocess.Popen[bytes] | None = None) -> None:
        self.folder = Path(folder)
        self.control = Control(self.folder)
        self._process = process
        self._events: list[tuple[int, Event]] = []  # with the position in the file
        self._read = 0

    @classmethod
    def start(cls, settings: TrainSettings, *, place: Place | None = None, nice: int = NICE) -> Job:
        """Start a training run; returns at once.

        Parameters
        ----------
        settings
            Their `out` is the run folder; with `resume`, the run continues from the checkpoint there.
        place
            Where to train, if not on this computer; a run that goes on stays where it was.
        nice
            Niceness of the process.

        Raises
        ------
        BadSettings
            If the folder cannot be written, holds another run, or a job is running in it.
        """
        folder = settings.out.expanduser().resolve()
        if (folder / RUN_FILE).exists():
            if cls(folder).is_alive:
                raise BadSettings(
                    f"A job is already running in {folder}. Wait for it, stop it, or choose another folder."
                )
            if not settings.resume:
                check_new_run(folder)
        run_file = write_run(settings)
        if place is not None:
            write_place(folder, place)
        job = cls(folder)
        job.control.clear()
        job._launch(command_line(run_file), nice)
        return job

    def _launch(self, argv: list[str], nice: int) -> None:
        offset = self._end_torn_line()
        with self._events_file.open("ab") as out, (self.folder / "log.txt").open("ab") as log:
            self._process = launch(argv, out, log, nice=nice, outlives_us=True)
        try:
            created = psutil.Process(self._process.pid).create_time()
        except psutil.Error:  # it has already ended; poll reports why
            created = time.time()
        record = {"pid": self._process.pid, "created": created, "offset": offset, "argv": argv}
        try:
            with whole_file(self.folder / "job.json") as part:
                part.write_text(json.dumps(record, indent=1), encoding="utf-8")
        except CannotSave:  # else nobody could find it again
            self._process.kill()
            self._process.wait()
            raise

    def _end_torn_line(self) -> int:
        """Size of the events so far; ends an incomplete line that a killed process left."""
        with self._events_file.open("ab+") as stream:
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":
                    stream.write(b"\n")
            return stream.seek(0, os.SEEK_END)

    @classmethod
    def open(cls, folder: Path) -> Job:
        """An existing job, running or not, with all its events.

        Raises
        ------
        BadSettings
            If the folder has none.
        """
        job = cls(Path(folder).expanduser().resolve())
        if not job._record:
            raise BadSettings(f"{folder} is not a run folder. Choose the folder of a training run.")
        job.poll()
        return job

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return self.folder.name

    @property
    def _events_file(self) -> Path:
        return self.folder / "events.jsonl"

    @property
    def _record(self) -> dict[str, Any]:
        try:
            record = json.loads((self.folder / "job.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) and isinstance(record.get("pid"), int) else {}

    @property
    def settings(self) -> TrainSettings:
        """The settings of the run.

        Raises
        ------
        BadSettings
            If the run file is missing or damaged.
        """
        path = self.folder / RUN_FILE
        try:
            return TrainSettings.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            raise BadSettings(f"The settings of the run in {path} cannot be used: {error}.") from error

    def poll(self) -> list[Event]:
        """Events since the last call, in order; ends a job that did not stop in time (see `stop`).

        The file holds the events of all sessions of a run; those after the last `start` belong to the current one.
        """
        new: list[tuple[int, Event]] = []
        try:
            with self._events_file.open("rb") as stream:
                stream.seek(self._read)
                content = stream.read()
        except FileNotFoundError:
            content = b""
        for line in content.split(b"\n")[:-1]:  # a line without its line break is not complete yet
            if (event := parse(line)) is not None:
                new.append((self._read, event))
            self._read += len(line) + 1
        self._events += new
        self._end_if_overdue()
        return [event for _, event in new]

    def events(self) -> list[Event]:
        """All events so far, of earlier sessions too; the curves are in the `StepEvent`s and `EvaluationEvent`s."""
        self.poll()
        return [event for _, event in self._events]

    def _session_events(self) -> list[Event]:
        """Events since the process was started."""
        offset = self._record.get("offset", 0)
        return [event for position, event in self._events if position >= offset]

    def follow(self, *, interval_s: float = 0.2) -> Iterator[list[Event]]:
        """Yield new events (an empty list if there are none) until the job has ended; for use in a thread."""
        while True:
            is_alive = self.is_alive
            yield self.poll()
            if not is_alive:
                return
            time.sleep(interval_s)

    def last(self, kind: type[E]) -> E | None:
        """The newest event of a kind so far, None if there is none."""
        return next((e for _, e in reversed(self._events) if isinstance(e, kind)), None)

    @property
    def is_alive(self) -> bool:
        """Whether the process is running; another process with the same id does not count."""
        if self._process is not None:
            return self._process.poll() is None
        return self._find() is not None

    def _find(self) -> psutil.Process | None:
        record = self._record
        try:
            process = psutil.Process(record["pid"])
            ours = abs(process.create_time() - record.get("created", 0)) < 1.0
            return process if ours and process.status() != psutil.STATUS_ZOMBIE else None
        except (psutil.Error, KeyError, ValueError, TypeError):
            return None

    @property
    def state(self) -> State:
        """The state of the job, from the events polled so far."""
        now = self._session_events()
        if self.is_alive:
            if self.control.stopped:
                return "stopping"
            turns = [e for e in now if isinstance(e, (StartEvent, PausedEvent, ResumedEvent))]
            if not any(isinstance(e, StartEvent) for e in turns):
                return "starting"
            return "paused" if isinstance(turns[-1], PausedEvent) else "running"
        end = now[-1] if now else None
        if isinstance(end, DoneEvent):
            return "stopped" if end.stopped else "done"
        if isinstance(end, FailedEvent):  # also after a request to stop: what it should have kept may be missing
            return "failed"
        # Asked to stop, and ended by `poll` or `kill` as it did not in time: not a failure.
        return "stopped" if self.control.stopped else "failed"

    @property
    def failure(self) -> Failure | None:
        """Why the job failed and what to try; None if it did not fail."""
        if self.state != "failed":
            return None
        now = self._session_events()
        if now and isinstance(now[-1], FailedEvent):
            return of_event(now[-1])
        step = max((getattr(e, "step", 0) for _, e in self._events), default=0)
        code = None if self._process is None else self._process.returncode
        return of_end(self.folder, code, **self._step_size(), step=step)

    def _step_size(self) -> dict[str, int]:
        """Tiles per step and their side: as the process last reported, or else as set."""
        size = {"batch": 2, "tile": 256}
        with suppress(BadSettings):
            size = {name: getattr(self.settings, name) for name in size}
        for event in self._session_events():
            if isinstance(event, (StartEvent, NoticeEvent)):
                size["batch"] = event.batch or size["batch"]
            if isinstance(event, StartEvent):
                size["tile"] = event.tile or size["tile"]
        return size

    @property
    def is_elsewhere(self) -> bool:
        """Whether it trains on another computer; its process here only attends it."""
        return is_elsewhere(self.folder)

    @property
    def can_resume(self) -> bool:
        """Whether there is a checkpoint from which an ended job can continue; never of one elsewhere, which starts over."""
        return not self.is_elsewhere and any((self.folder / name).exists() for name in STATES)

    @property
    def model(self) -> Path | None:
        """Weights of the best model so far."""
        path = self.folder / "best.safetensors"
        return path if path.exists() else None

    def pause(self) -> None:
        """Ask the job to pause; after the current step it saves its state and sends a `paused` event."""
        self.control.pause_file.touch()

    def resume(self) -> None:
        """Resume a paused job, or restart an ended one from its last checkpoint (from the start if it has none)."""
        if self.is_alive:
            self.control.pause_file.unlink(missing_ok=True)
        else:
            self.retry()

    def retry(self, **changes: Any) -> None:
        """Restart an ended job with changed settings, from its last checkpoint if it has one.

        With `resume=False`, it starts from the beginning; its checkpoints are kept as `last.old.pt` and `previous.old.pt`.

        Raises
        ------
        BadSettings
            If it is still running, or the settings do not allow it.
        """
        if self.is_alive:
            raise BadSettings(f"The job in {self.folder} is still running. Stop it first.")
        values = self.settings.model_dump() | {"resume": self.can_resume, "out": self.folder} | changes
        try:
            settings = TrainSettings.model_validate(values)
        except ValidationError as error:
            raise BadSettings(f"Cannot retry with {changes}: {error}.") from error
        if not settings.resume:
            self._set_state_aside()
        self._process = Job.start(settings)._process

    def _set_state_aside(self) -> None:
        """Rename the checkpoints, so that a run can start over in the folder without losing them."""
        for name in STATES:
            path = self.folder / name
            if path.exists():
                path.replace(path.with_suffix(".old.pt"))

    def stop(self) -> None:
        """Ask the job to end with its best model; returns at once.

        `poll` ends it `GRACE_S` seconds (during an evaluation, `EVALUATION_GRACE_S`) after the request or
        after the evaluation began.
        """
        self.control.stop_file.touch()

    def kill(self) -> None:
        """End the process and its children at once; the last checkpoint and the best model are kept."""
        process = self._find()
        if process is not None:
            for one in [*_children(process), process]:
                try:
                    one.kill()
                except psutil.Error:
                    continue
        if self._process is not None:
            self._process.wait(timeout=10)  # first: else psutil would take its exit code
        elif process is not None:
            psutil.wait_procs([process], timeout=10)

    def discard(self) -> None:
        """End the job at once and delete its folder with everything in it."""
        self.kill()
        if self._record:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end_if_overdue(self) -> None:
        try:
            asked = self.control.stop_file.stat().st_mtime
        except OSError:
            return
        stage = next((e for e in reversed(self._session_events()) if isinstance(e, StageEvent)), StageEvent(time=0))
        grace_s = EVALUATION_GRACE_S if stage.name in LONG_STAGES else GRACE_S
        if time.time() - max(asked, stage.time) > grace_s and self.is_alive:
            self.kill()


def find_jobs(folder: Path) -> list[Job]:
    """All jobs with run folders in `folder`, running or ended, newest first."""
    folders = [p.parent for p in Path(folder).glob("*/job.json")]
    jobs = [Job(path.resolve()) for path in folders]
    jobs = [job for job in jobs if job._record]
    for job in jobs:
        job.poll()
    return sorted(jobs, key=lambda job: job._record.get("created", 0), reverse=True)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
