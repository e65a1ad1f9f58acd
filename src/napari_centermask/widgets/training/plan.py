"""Compute training settings from the chosen data and model, in a worker thread."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.errors import UserError
from napari_centermask.jobs.child import run_child
from napari_centermask.jobs.command import RUN_FILE, new_run_folder
from napari_centermask.models.store.zoo import user_folder
from napari_centermask.settings import TrainSettings
from napari_centermask.widgets.work.run_time import duration
from napari_centermask.widgets.work.tasks import Failed


@dataclass(frozen=True)
class DataFolder:
    """Data to train on: the folder of a project, or one with images/ and annotations.json."""

    folder: Path
    is_project: bool = False

    @property
    def title(self) -> str:
        """Its title in a list; the name of a project would be cut there."""
        return "The open project" if self.is_project else self.folder.name

    @property
    def runs(self) -> Path:
        """Folder of its runs: in the project, else with the user's models."""
        return self.folder / "runs" if self.is_project else user_runs()


@dataclass(frozen=True)
class Plan:
    """Settings with the reason for each, computed from a copy of the data in a new run folder."""

    settings: TrainSettings
    reasons: dict[str, str]

    @property
    def summary(self) -> str:
        """A summary in a line or two."""
        s = self.settings
        text = f"{self.reasons.get('steps', '')}: {s.steps:,} steps of {s.batch} tiles of {s.tile} px"
        if s.minutes is not None:
            limit = duration(60 * s.minutes)
            text += f", or as many as fit into {limit} of the training's own computing, longer by the clock on a busy computer"
        return f"{text}. The time left, with evaluations and the comparison, is measured from the first steps on."

    def drop(self) -> None:
        """Remove the run folder of a plan that was not started."""
        if not (self.settings.out / "job.json").exists():
            shutil.rmtree(self.settings.out, ignore_errors=True)


def user_runs() -> Path:
    """Folder of runs without a project."""
    return user_folder().parent / "runs"


def data_folders(project: Path | None, folders: Sequence[Path]) -> list[DataFolder]:
    """The data to train or compare on: the folder of the open project, and others."""
    own = [] if project is None else [DataFolder(project, is_project=True)]
    return own + [DataFolder(folder) for folder in folders]


def name_for(run: Path) -> str:
    """A name for the model of a run: that of its project, else of the run."""
    return run.parent.parent.name if run.parent.name == "runs" and run.parent != user_runs() else run.name


def plan(source: DataFolder, model: str, network: str = "") -> Generator[object, None, Plan | Failed]:
    """Freeze the data and compute the settings in a separate process; for the worker thread.

    In a thread, it would block Python's interpreter most of the time, for seconds with thousands of cells, and the window would
    stutter. Closing the generator ends the process and leaves nothing behind.

    Parameters
    ----------
    model
        The start model.
    network
        Family of a new network to train instead.
    """
    start = ("--scratch", "--network", network) if network else ("--start", model)
    name = None if source.is_project else source.folder.name  # within a project the date distinguishes runs
    out = new_run_folder(source.runs, name)
    made: Plan | None = None
    try:
        printed = yield from run_child(
            ["finetune", str(source.folder), *start, "--out", str(out), "--dry-run", "--json"]
        )
        settings = TrainSettings.model_validate_json((out / RUN_FILE).read_text(encoding="utf-8"))
        made = Plan(settings, json.loads(printed)["reasons"])
    except (UserError, OSError) as error:
        return Failed.of(error)
    finally:
        if made is None:
            shutil.rmtree(out, ignore_errors=True)
    return made
