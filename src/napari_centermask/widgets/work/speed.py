"""Find the fastest way to run a model on this computer, in a separate process, which may use torch; for the worker thread."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import UserError
from napari_centermask.engines.runtime import Runtime
from napari_centermask.jobs.child import run_child
from napari_centermask.pipeline import Plane, Progress
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.work.tasks import Failed

_SIDE = 1024  # pixels: largest part of the image that is measured; a choice, a minute or two on two cores


@dataclass(frozen=True)
class Speeds:
    """What was measured.

    Attributes
    ----------
    outcome
        What "auto" uses from now on, in a sentence.
    rows
        Runtime, seconds, F1 with the cells of float32, and MiB of memory, the fastest first.
    """

    outcome: str
    rows: tuple[tuple[str, float, float, float | None], ...]

    def text(self) -> str:
        """A heading, and a line for each runtime."""
        lines = ["Time · cells as in float32 · memory"]
        for name, seconds, agreement, memory in self.rows:
            size = "?" if memory is None else f"{memory:.0f} MiB"
            lines.append(f"{seconds:.2f} s · {100 * agreement:.1f} % · {size} · {name}")
        return "\n".join(lines)


def measure_speeds(planes: list[Plane], settings: SegmentSettings) -> Generator[Progress, None, Speeds | Failed]:
    """Measure engines and precisions on the middle of a plane, and remember the fastest for the engine "auto"."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="centermask-", ignore_cleanup_errors=True) as folder:
        image = Path(folder) / "image.npy"
        np.save(image, _middle(planes[0], settings))
        diameter = [] if settings.diameter is None else ["--diameter", str(settings.diameter)]
        command = ["benchmark", str(image), "--pick", "--json", "--axes", "CYX", "--model", settings.model, *diameter]
        steps = run_child([*command, "--score", str(settings.score)])
        try:
            while True:
                next(steps)
                yield Progress(0, 0, f"Measuring engines: {time.monotonic() - start:.0f} s")
        except StopIteration as end:
            return _speeds(json.loads(end.value))
        except UserError as error:
            return Failed.of(error)
        finally:
            steps.close()


def _middle(plane: Plane, settings: SegmentSettings) -> np.ndarray:
    """The channels that are used of the middle of a plane, (C, h, w)."""
    (height, width), pixels = plane.shape, plane.pixels
    y, x = max(0, (height - _SIDE) // 2), max(0, (width - _SIDE) // 2)
    part = np.asarray(pixels[..., y : y + _SIDE, x : x + _SIDE])
    part = part if part.ndim == 3 else part[None]
    return part if settings.channels is None else part[settings.channels]


def _speeds(report: dict[str, Any]) -> Speeds:
    rows = report["rows"]
    each = ((str(Runtime(**r["runtime"])), r["seconds"], r["agreement"], r["memory_mb"]) for r in rows)
    return Speeds(str(report["outcome"]), tuple(each))
