"""Why a job failed, in words, and what to try."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_centermask.events import FailedEvent
from napari_centermask.jobs.child import last_words, tail
from napari_centermask.training.run.shortage import RELIEF, unchecked_remedy

KILLED = {-9, 137}  # SIGKILL, as Python and as shells say it
LITTLE_SPACE = 50_000_000  # bytes: a choice, less than a checkpoint and a model take


@dataclass(frozen=True)
class Failure:
    """Why a job failed.

    Attributes
    ----------
    message
        What happened and what to do, shown to the user.
    reason
        "memory", "disk", "data", "numbers", "checkpoint", "settings" or "crash".
    remedy
        Settings to retry with (`Job.retry(**remedy)`); may be empty.
    """

    message: str
    reason: str = "crash"
    remedy: dict[str, Any] = field(default_factory=dict)


def of_event(event: FailedEvent) -> Failure:
    """From the job's own explanation."""
    return Failure(event.message, event.reason, event.remedy)


def of_end(folder: Path, code: int | None, *, batch: int, tile: int, step: int) -> Failure:
    """The explanation of a job that ended without giving a reason.

    Parameters
    ----------
    code
        The exit code; None if it is not known, as after a restart of this program.
    batch, tile
        Tiles per step, and their side in pixels.
    step
        The last one that was reported.
    """
    where = f"after step {step}" if step else "before its first step"
    kept = "Everything up to its last checkpoint is kept; it can continue from there."
    if (free := _free(folder)) is not None and free < LITTLE_SPACE:
        message = f"The job ended {where} on a full disk ({free // 1_000_000} MB free). Free some space, then continue. {kept}"
        return Failure(message, "disk")
    if code in KILLED:
        remedy = unchecked_remedy(batch, tile)
        words = " and ".join(f"{name} {value}" for name, value in remedy.items())
        then = f"This may fit: {words}." if remedy else f"The step cannot be made smaller. {RELIEF}"
        return Failure(
            f"The operating system ended the job {where}, probably because memory ran out. {kept} {then}",
            "memory",
            remedy,
        )
    last = last_words(tail(Path(folder) / "log.txt"))
    if last.startswith("Error: "):
        return Failure(last.removeprefix("Error: "), "settings")
    how = "was ended from outside" if code is None or code < 0 else f"ended with code {code}"
    return Failure(f"The job {how} {where}{f': {last}' if last else ''}. {kept}")


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
