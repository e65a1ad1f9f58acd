"""What a job reports, as JSON lines on standard output."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, TextIO

KINDS = ("start", "progress", "step", "evaluation", "checkpoint", "notice", "done", "failed")


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
    stream.write(json.dumps(event, allow_nan=False, default=float) + "\n")
    stream.flush()
