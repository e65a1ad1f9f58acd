"""Tasks of the worker thread: from arrays and settings to cells, without layers and widgets.

The pipeline does the work. This module adds the engine's lock and cache, and turns errors into values.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from napari_centermask.core.errors import UserError
from napari_centermask.engines.ensemble import place_of
from napari_centermask.io.disk_images import DiskImage
from napari_centermask.io.large_cells import LargePlaces
from napari_centermask.pipeline import Plane, PlaneCells, Progress, diameter_steps, map_classes, segment_planes
from napari_centermask.pipeline.class_maps import class_image
from napari_centermask.pipeline.image_file import FileCells, OpenedFile, segment_file
from napari_centermask.pipeline.large_image import LargeResult, segment_large
from napari_centermask.pipeline.ranking import Ranking, ranking_steps
from napari_centermask.settings import LOWEST_SCORE, SegmentSettings
from napari_centermask.widgets.work.engine_cache import cached_engine, engine_notes

Step = TypeVar("Step")
Value = TypeVar("Value")
ENGINE_LOCK = threading.Lock()
"""Held while an engine is asked: it answers one caller at a time."""


@dataclass(frozen=True)
class Finished:
    """The end of a run: what ran, which planes were left out, with the reason, and why the GPU was not used."""

    engine: str
    device: str
    diameter: float
    n_planes: int
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A failed run, with a message for the user, and the page of the documentation about such failures."""

    message: str
    page: str = UserError.page

    @classmethod
    def of(cls, error: Exception) -> Failed:
        """From an error that the user can correct."""
        return cls(str(error), getattr(error, "page", UserError.page))


def run(planes: list[Plane], settings: SegmentSettings) -> Generator[Progress | PlaneCells, None, Finished | Failed]:
    """Segment planes of an image one after another; can be stopped at every yield, between tiles.

    A plane that cannot be segmented has no cells; if none can, the run fails.
    """
    return (yield from answer_for(_run(planes, settings)))


def answer_for(
    steps: Generator[Any, None, Any],
    *,
    who: str = "The network",
    then: str = "Choose another engine or smaller tiles under 'Advanced'.",
) -> Generator[Any, None, Any]:
    """Turn errors that the user can correct into `Failed`.

    Runtimes raise RuntimeError, which superqt's workers silently drop.

    Parameters
    ----------
    who, then
        For the message: what could not run, and what to do.
    """
    try:
        return (yield from steps)
    except UserError as error:
        return Failed.of(error)
    except (RuntimeError, MemoryError) as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        return Failed(f"{who} could not run: {text[0]}. {then}")


def _locked(steps: Generator[Step, None, Value]) -> Generator[Step, None, Value]:
    """The steps, each under the lock: an engine answers one caller at a time, also where two viewers run."""
    while True:
        try:
            with ENGINE_LOCK:
                step = next(steps)
        except StopIteration as end:
            value: Value = end.value
            return value
        yield step


def _loading(settings: SegmentSettings) -> Progress:
    return Progress(0, 0, f"Loading {Path(settings.model).stem}")


def _run(planes: list[Plane], settings: SegmentSettings) -> Generator[Progress | PlaneCells, None, Finished]:
    yield _loading(settings)
    import_module("pandas")  # napari's label layers need it: half a second that the GUI thread is spared
    engine = cached_engine(settings)
    diameter, left_out = settings.diameter or 0.0, []
    for step in _locked(segment_planes(planes, engine, settings, min_score=LOWEST_SCORE)):
        if isinstance(step, PlaneCells):
            diameter = step.diameter
            left_out += [f"{', '.join(map(str, step.plane.index))}: {step.problem}"] if step.problem else []
        yield step
    return Finished(engine.name, place_of(engine), diameter, len(planes), tuple(left_out), engine_notes(engine))


def segment_to_disk(
    planes: Sequence[Plane],
    settings: SegmentSettings,
    *,
    image: DiskImage,
    places: LargePlaces,
    command: Mapping[str, Any],
) -> Generator[Progress, None, LargeResult | Failed]:
    """Segment an image that is larger than memory; its cells are written while they are found. For the worker thread.

    Parameters
    ----------
    planes
        Not used, as the image has its own; every task of a run gets some.
    command
        As in `pipeline.large_image.segment_large`.
    """
    return (yield from answer_for(_segment_to_disk(settings, image, places, command)))


def _segment_to_disk(
    settings: SegmentSettings, image: DiskImage, places: LargePlaces, command: Mapping[str, Any]
) -> Generator[Progress, None, LargeResult]:
    yield _loading(settings)
    return (
        yield from _progress(_locked(segment_large(image, cached_engine(settings), settings, places, command=command)))
    )


def segment_image(
    path: Path, settings: SegmentSettings, *, names: Sequence[str] = (), leading: tuple[int, ...] | None = None
) -> Generator[Progress, None, FileCells | Failed]:
    """Read an image and segment all its planes, the weak candidates included; for the worker thread.

    Parameters
    ----------
    names
        Names of the channels if the file has none.
    leading
        Its planes if they are known, as of `io.images.read_image`.
    """
    return (yield from answer_for(_segment_image(path, settings, names, leading)))


def _segment_image(
    path: Path, settings: SegmentSettings, names: Sequence[str], leading: tuple[int, ...] | None
) -> Generator[Progress, None, FileCells]:
    yield _loading(settings)
    engine = cached_engine(settings)
    steps = segment_file(path, engine, settings, names=names, leading=leading, min_score=LOWEST_SCORE)
    return (yield from _progress(_locked(steps)))


def _progress(steps: Generator[Progress | OpenedFile, None, Value]) -> Generator[Progress, None, Value]:
    """The steps without the opened file: the docks say what is to be known about it before a run."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            value: Value = end.value
            return value
        if not isinstance(step, OpenedFile):
            yield step


def estimate_diameter(planes: list[Plane], settings: SegmentSettings) -> Generator[Progress, None, float | Failed]:
    """The typical diameter of an image's cells, in pixels; for the worker thread."""
    return (yield from answer_for(_estimate(planes, settings)))


def _estimate(planes: list[Plane], settings: SegmentSettings) -> Generator[Progress, None, float]:
    yield _loading(settings)
    return (yield from _locked(diameter_steps(planes, cached_engine(settings), settings)))


def class_map(planes: list[Plane], settings: SegmentSettings) -> Generator[Progress, None, np.ndarray | Failed]:
    """The category of each pixel of a plane, (H, W) uint8 with 0 for background; for the worker thread."""
    return (yield from answer_for(_class_map(planes, settings)))


def _class_map(planes: list[Plane], settings: SegmentSettings) -> Generator[Progress, None, np.ndarray]:
    yield _loading(settings)
    (plane,) = planes
    return class_image((yield from _locked(map_classes(plane, cached_engine(settings), settings))))


def rank(
    images: Mapping[int, Path], reviewed: Mapping[int, Path], settings: SegmentSettings
) -> Generator[Progress, None, Ranking[int] | Failed]:
    """Rank images by how much correcting them would improve the model (`pipeline.ranking`); for the worker thread."""
    return (yield from answer_for(_rank(images, reviewed, settings)))


def _rank(
    images: Mapping[int, Path], reviewed: Mapping[int, Path], settings: SegmentSettings
) -> Generator[Progress, None, Ranking[int]]:
    yield _loading(settings)
    return (yield from _locked(ranking_steps(images, cached_engine(settings), settings, reviewed=reviewed)))
