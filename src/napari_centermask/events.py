"""What a job reports, as JSON lines on standard output.

Kind, and what it carries beside `event` and `time`:

- start: out, step, steps, device, precision, parameters, batch, tile
- stage: name ("reading the images", "training", "evaluating", "looking for what fits"), what the job does now
- step: step, part in [0, 1], seconds, seconds_left, memory_mb, and the mean of each loss since the last one
- evaluation: step, better, AP, AP50, AP_known (on a sample of what the start model was made for, where there is one),
  per_folder, samples (a list of {"image", "picture"}: PNG files)
- comparison: recommended, sentence, path (comparison.json: both models' figures and the pictures)
- checkpoint: step, path
- notice: message, for a person
- paused, resumed: step
- done: step, best, out, stopped (true: before its end), model (the best weights, null if there are none)
- failed: message, reason ("memory", "disk", "data", "numbers", "settings"), remedy (settings to try again with)
- adopted: name, path; the new model was installed under this name
- progress: done, total, message; of commands that are no training
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, TextIO

KINDS = (
    "start",
    "stage",
    "progress",
    "step",
    "evaluation",
    "comparison",
    "checkpoint",
    "notice",
    "paused",
    "resumed",
    "done",
    "failed",
    "adopted",
)


def event(kind: str, **fields: Any) -> dict[str, Any]:
    """One event: its kind, the time in seconds since 1970, and its fields.

    Raises
    ------
    ValueError
        If the kind is not one of `KINDS`.
    """
    if kind not in KINDS:
        raise ValueError(f"Expected an event kind of {KINDS}, got {kind!r}.")
    return {"event": kind, "time": round(time.time(), 3), **fields}


def write(event: dict[str, Any], stream: TextIO | None = None) -> None:
    """Write one event as one line and flush it."""
    stream = stream or sys.stdout
    stream.write(json.dumps(event, allow_nan=False, default=_plain) + "\n")
    stream.flush()


def _plain(value: Any) -> Any:
    """Paths as text, numbers of numpy and torch as floats."""
    return float(value) if hasattr(value, "__float__") else str(value)


def parse(line: str | bytes) -> dict[str, Any] | None:
    """An event from a line; None for anything else that a library may have printed."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.get("event") in KINDS else None
