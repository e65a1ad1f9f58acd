"""The compression in a child process, for the worker thread: torch must not be loaded in napari."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import UserError
from napari_centermask.io.whole_file import whole_file
from napari_centermask.jobs.child import run_child
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.work.tasks import Failed

PLAN_FILE, TABLE_FILE = "plan.json", "table.json"
_STEP, _PART = re.compile(r"^Step (\d+) of \d+"), re.compile(r"(\d+) of (\d+)(?!.*\d of \d)")
_START, _TIMING = "Start model", "Timing"


@dataclass(frozen=True)
class Table:
    """What is known of the steps so far; see `deploy.compress.table.Row`."""

    rows: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Outcome:
    """The end of a compression.

    Attributes
    ----------
    sentence
        The recommendation.
    model
        Name of the recommended model: the new one, or the start model.
    """

    table: Table
    sentence: str
    model: str


def compress(plan: dict[str, Any]) -> Generator[Progress | Table, None, Outcome | Failed]:
    """Write the plan and carry it out, yielding the table whenever a step is done. Closing the generator ends the process."""
    out, n_steps = Path(plan["out"]), len(plan["steps"])
    seen, done = b"", 0.0
    try:
        with whole_file(out / PLAN_FILE) as part:
            part.write_text(json.dumps(plan, indent=1), encoding="utf-8")
    except UserError as error:
        return Failed.of(error)
    steps = run_child(["compress", str(out / PLAN_FILE), "--json"])
    try:
        while True:
            said = next(steps)
            done = max(done, part_of(said, n_steps))
            yield Progress(done, n_steps + 2, said or "Starting")
            written = _written(out / TABLE_FILE)
            if written != seen:
                seen = written
                yield Table(tuple(json.loads(written)["rows"]))
    except StopIteration as end:
        report = json.loads(end.value)
        return Outcome(Table(tuple(report["rows"])), report["recommendation"], report["model"])
    except UserError as error:
        return Failed.of(error)
    finally:
        steps.close()


def part_of(said: str, n_steps: int) -> float:
    """How many of `n_steps` and the two judgements around them are done, by a line of the command; 0 if it does not say."""
    if said.startswith(_TIMING):
        return n_steps + 1
    step = _STEP.search(said)
    part = _PART.search(said[step.end() :] if step else said)
    inside = int(part[1]) / (int(part[2]) + 1) if part else 0.0
    if step:
        return int(step[1]) + inside
    return inside if said.startswith(_START) else 0.0


def _written(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # not yet
        return b""
