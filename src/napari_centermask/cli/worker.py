"""What a worker process of `segment` does with an image: it loads the model once, and segments one image after another."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_centermask.cli.plan import ImageFiles
from napari_centermask.cli.segmented import Notes, Segmented, steps_of
from napari_centermask.core.left_out import LeftOut
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_centermask.engines.ensemble import AnySegmenter


@dataclass(frozen=True)
class Task:
    """An image for a worker; see `segmented.steps_of`."""

    files: ImageFiles
    settings: SegmentSettings
    coco: Path | None
    axes: str | None
    command: Mapping[str, Any]
    threads: int | None


@dataclass(frozen=True)
class Outcome:
    """What a worker made of an image.

    Attributes
    ----------
    segmented
        None if it failed.
    notes
        What is to be known about the image.
    why
        Why it failed; empty if it did not.
    process
        The worker's process, as "4711 on lab-pc".
    loads
        How often that process has loaded models.
    engine, device, place
        Of the model, for the report.
    was_killed
        Whether it failed because its workers were killed.
    """

    segmented: Segmented | None
    notes: list[Notes]
    why: str
    process: str
    loads: int
    engine: str = ""
    device: str = ""
    place: str = ""
    was_killed: bool = False


_KEPT: dict[str, AnySegmenter] = {}
"""In a worker: the models that it has loaded, by their settings."""
_LOADS: list[str] = []
_ONE = threading.Lock()
"""A worker may have several threads, but one image at a time has the memory and the model, which not all engines share."""


def work(task: Task) -> Outcome:
    """Segment an image, in a worker. An image that cannot be segmented is an outcome; only other errors are tried again."""
    from napari_centermask.engines.ensemble import place_of
    from napari_centermask.pipeline.progress import run_through

    process = f"{os.getpid()} on {_host()}"
    notes: list[Notes] = []
    left_out = LeftOut[str]()
    with _ONE, left_out.unless_done(str(task.files.image)):
        engine = _engine(task, notes)
        steps = steps_of(
            task.files, engine, task.settings, task.coco, axes=task.axes, command=task.command, say=notes.append
        )
        done = run_through(steps)
        ran = engine.name, engine.device, place_of(engine)
        return Outcome(done, notes, "", process, len(_LOADS), *ran)
    return Outcome(None, notes, left_out.sentences[0], process, len(_LOADS))


def _engine(task: Task, notes: list[Notes]) -> AnySegmenter:
    from napari_centermask.engines.load import load_engines

    names = ("model", "more_models", "engine", "device", "precision")
    key = repr([getattr(task.settings, name) for name in names] + [task.threads, task.command["models"]])
    if key not in _KEPT:
        _KEPT.clear()
        say = lambda text: notes.append(Notes([text]))  # noqa: E731
        _KEPT[key] = load_engines(task.settings, say=say, threads=task.threads)
        _LOADS.append(key)
    return _KEPT[key]


def _host() -> str:
    import socket

    return socket.gethostname()
