"""From what a person chose to the settings of a training; computed in a worker thread."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import UserError
from napari_centermask.jobs.child import run_child
from napari_centermask.jobs.command import RUN_FILE, new_run_folder
from napari_centermask.models.store.zoo import user_folder
from napari_centermask.settings import TrainSettings
from napari_centermask.widgets.work.run_state import duration
from napari_centermask.widgets.work.tasks import Failed


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


class Draft:
    """Holds the plan that is shown, so that none that nobody started is left on disk."""

    def __init__(self) -> None:
        self.plan: Plan | None = None

    def show(self, plan: Plan | None) -> None:
        """Hold another plan, or none; the one before is dropped."""
        if self.plan is not None and self.plan is not plan:
            self.plan.drop()
        self.plan = plan

    def release(self) -> None:
        """The plan was started: its folder is a run now."""
        self.plan = None


def user_runs() -> Path:
    """Where runs without a project are kept."""
    return user_folder().parent / "runs"


def plan(source: Source, model: str) -> Generator[dict[str, Any] | None, None, Plan | Failed]:
    """Freeze the data and compute the settings; for the worker thread, which leaves it to a process of its own.

    In a thread it would hold Python's interpreter for most of the time, seconds for thousands of cells, and the window
    would stammer. Closing the generator ends the process and leaves nothing behind.
    """
    name = None if source.is_project else source.folder.name  # within a project the date tells runs apart
    out = new_run_folder(source.runs, name)
    found: Plan | None = None
    try:
        told = yield from run_child(
            ["finetune", str(source.folder), "--start", model, "--out", str(out), "--dry-run", "--json"]
        )
        settings = TrainSettings.model_validate_json((out / RUN_FILE).read_text(encoding="utf-8"))
        found = Plan(settings, json.loads(told)["reasons"])
    except (UserError, OSError) as error:
        return Failed(str(error))
    finally:
        if found is None:
            shutil.rmtree(out, ignore_errors=True)
    return found
