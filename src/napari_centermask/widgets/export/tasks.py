"""The export in a child process, for the worker thread: torch must not be loaded in napari."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from napari_centermask.core.errors import UserError
from napari_centermask.jobs.child import run_child
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.work.tasks import Failed

_STAGES = ("Tracing", "Comparing with torch", "Joining", "Comparing the cells", "Writing the package")
"""Beginnings of the lines that the command writes, in order."""


def export(arguments: list[str]) -> Generator[Progress, None, dict[str, Any] | Failed]:
    """Run the command; returns its report. Closing the generator ends the process, and nothing is written."""
    steps, done = run_child(arguments), 0
    try:
        while True:
            said = next(steps)
            found = next((n for n, stage in enumerate(_STAGES) if said.startswith(stage)), None)
            done = max(done, 0 if found is None else found + 1)
            yield Progress(done, len(_STAGES) + 1, f"{said}…" if found is not None else "Loading the model…")
    except StopIteration as end:
        report: dict[str, Any] = json.loads(end.value)
        return report
    except UserError as error:
        return Failed.of(error)
    finally:
        steps.close()
