"""From what a person chose to the settings of a training; computed in a worker thread."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UserError
from ..jobs.command import new_run_folder
from ..jobs.finetune import prepare
from ..models.zoo import user_folder
from ..settings import TrainSettings
from .job import Failed
from .run_state import duration


@dataclass(frozen=True)
class Source:
    """What a model learns from: the folder of a project, or one with images/ and annotations.json."""

    folder: Path
    is_project: bool = False

    @property
    def title(self) -> str:
        """As a list shows it."""
        return f"Project {self.folder.name}" if self.is_project else self.folder.name

    @property
    def runs(self) -> Path:
        """Where its runs are kept: with a project, else with the user's models."""
        return self.folder / "runs" if self.is_project else user_runs()


@dataclass(frozen=True)
class Plan:
    """Settings, computed from a copy of the data in a new run folder, with the reason for each."""

    settings: TrainSettings
    reasons: dict[str, str]

    @property
    def summary(self) -> str:
        """A line or two for a person."""
        s = self.settings
        most = "" if s.minutes is None else f", {duration(60 * s.minutes)} at most"
        return f"{self.reasons.get('steps', '')}: {s.steps:,} steps of {s.batch} tiles of {s.tile} px{most}"

    def drop(self) -> None:
        """Remove the run folder of a plan that nobody started."""
        if not (self.settings.out / "job.json").exists():
            shutil.rmtree(self.settings.out, ignore_errors=True)


def user_runs() -> Path:
    """Where runs without a project are kept."""
    return user_folder().parent / "runs"


def plan(source: Source, model: str) -> Generator[None, None, Plan | Failed]:
    """Freeze the data and compute the settings; for the worker thread."""
    yield
    try:
        name = None if source.is_project else source.folder.name  # within a project the date tells runs apart
        found = prepare(source.folder, model, out=new_run_folder(source.runs, name))
    except (UserError, OSError) as error:
        return Failed(str(error))
    return Plan(found.settings, found.reasons)
