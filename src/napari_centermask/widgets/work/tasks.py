"""What runs in the worker thread: arrays and settings in, cells out; it never sees a layer or a widget."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.core.errors import BadImage, UserError
from napari_centermask.core.instances import Instances
from napari_centermask.core.regions import contains, window
from napari_centermask.core.result import centre
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.work.engine_cache import cached_engine

if TYPE_CHECKING:
    from napari_centermask.core.instances import Box
    from napari_centermask.core.result import Index
    from napari_centermask.engines import Engine
    from napari_centermask.pipeline.ranking import Ranking
    from napari_centermask.pipeline.steps import Progress, Seams

# Candidates down to this score are kept, so that the threshold can be moved without a new run. On the sample of 126
# nuclei that is 264 boxes for the mask heads instead of 129 and a third more time; from 0.1 on it would be 2,454.
FLOOR = 0.2
ENGINE_LOCK = threading.Lock()
"""Held while an engine is asked: it answers one caller at a time."""


@dataclass(frozen=True)
class PlaneJob:
    """One plane to segment.

    Attributes
    ----------
    image
        (C, H, W) array-like; the whole plane.
    region
        Polygons (n, 2) y, x to which the work is limited; the whole plane when None.
    """

    index: Index
    image: Any
    region: tuple[np.ndarray, ...] | None = None


@dataclass(frozen=True)
class Advance:
    """How far the work is: part in [0, 1], and in words."""

    part: float
    message: str


@dataclass(frozen=True)
class PlaneDone:
    """A plane's cells and the seams of its tiles, in the coordinates of the whole plane."""

    job: PlaneJob
    cells: Instances
    seams: Seams = ((), ())


@dataclass(frozen=True)
class Finished:
    """The end of a run: what ran, how long, and which planes could not be segmented."""

    engine: str
    device: str
    seconds: float
    diameter: float
    n_planes: int
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A run that a mistake ended; the message is for the user."""

    message: str


def run(jobs: list[PlaneJob], settings: SegmentSettings) -> Generator[Advance | PlaneDone, None, Finished | Failed]:
    """Segment planes one after another; can be stopped at every yield, between tiles.

    A plane that cannot be segmented ends a run of one plane, and is left out of a run of many.
    """
    return (yield from answer_for(_run(jobs, settings)))


def answer_for(
    steps: Generator[Any, None, Any],
    *,
    who: str = "The network",
    then: str = "Choose another engine or smaller tiles under 'Advanced'.",
) -> Generator[Any, None, Any]:
    """Turn errors that a person can mend into `Failed`.

    Runtimes report their faults as RuntimeError, which superqt's workers drop without a word.

    Parameters
    ----------
    who, then
        What could not run then, and what to do.
    """
    try:
        return (yield from steps)
    except UserError as error:
        return Failed(str(error))
    except (RuntimeError, MemoryError) as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        return Failed(f"{who} could not run: {text[0]}. {then}")


def _next(steps: Generator[Any, None, Any]) -> Any:
    """One step; an engine answers one caller at a time, also where two viewers run."""
    with ENGINE_LOCK:
        return next(steps)


def _advancing(steps: Generator[Progress, None, Any]) -> Generator[Advance, None, Any]:
    """The steps of one piece of work, as parts of all."""
    while True:
        try:
            progress = _next(steps)
        except StopIteration as end:
            return end.value
        yield Advance(progress.done / max(progress.total, 1), progress.message)


def _run(jobs: list[PlaneJob], settings: SegmentSettings) -> Generator[Advance | PlaneDone, None, Finished]:
    yield Advance(0.0, f"Loading {Path(settings.model).stem}")
    import_module("pandas")  # napari's label layers need it: half a second that the GUI thread is spared
    engine = cached_engine(settings)
    started = time.perf_counter()
    skipped: list[str] = []
    for n, job in enumerate(jobs):
        try:
            if settings.diameter is None:
                diameter = yield from _estimate(job, engine, settings, part=n / len(jobs))
                settings = settings.model_copy(update={"diameter": diameter})
            yield (yield from _segment(job, engine, settings, part=(n, len(jobs))))
        except BadImage as error:
            if len(jobs) == 1:
                raise
            skipped.append(f"{', '.join(map(str, job.index))}: {error}")
    seconds = time.perf_counter() - started
    return Finished(engine.name, engine.device, seconds, float(settings.diameter or 0.0), len(jobs), tuple(skipped))


def _segment(
    job: PlaneJob, engine: Engine, settings: SegmentSettings, *, part: tuple[int, int]
) -> Generator[Advance, None, PlaneDone]:
    """Segment one plane or a region of it, as part n of m of the whole run."""
    from napari_centermask.pipeline import check_intensities, segment_steps

    image, box = _part_of(job, settings)
    check_intensities(image, settings)
    steps = segment_steps(image, engine, settings, min_score=min(FLOOR, settings.score), **_place(job, box))
    n, total = part
    prefix = f"Plane {n + 1} of {total}: " if total > 1 else ""
    seams: Seams = ((), ())
    while True:
        try:
            progress = _next(steps)
        except StopIteration as end:
            y0, x0 = (0, 0) if box is None else box[:2]
            moved = tuple(y0 + y for y in seams[0]), tuple(x0 + x for x in seams[1])
            return PlaneDone(job, _whole(end.value, box, job), moved)
        seams = progress.seams
        yield Advance((n + progress.done / max(progress.total, 1)) / total, prefix + progress.message)


def _part_of(job: PlaneJob, settings: SegmentSettings) -> tuple[Any, Box | None]:
    """The part of the image to segment: the region's box with room for the cells that its border cuts."""
    if job.region is None:
        return job.image, None
    box = window(job.region, tuple(job.image.shape[1:]), margin=settings.diameter or 0.0)
    if box is None:
        raise BadImage("Expected a region on the image, it lies beside it. Draw it on the image and run again.")
    y0, x0, y1, x1 = box
    return job.image[:, y0:y1, x0:x1], box


def _place(job: PlaneJob, box: Box | None) -> dict[str, Any]:
    """Where the part lies, so that its intensities are seen as within the whole."""
    return {"whole": job.image, "origin": (0, 0) if box is None else box[:2]}


def _whole(cells: Instances, box: Box | None, job: PlaneJob) -> Instances:
    """Bring a region's cells to the coordinates of the plane; those centred outside of it are left out."""
    if box is None:
        return cells
    whole = Instances(tuple(job.image.shape[1:]), categories=cells.categories)
    for cell in cells:
        moved = replace(cell, y0=cell.y0 + box[0], x0=cell.x0 + box[1])
        if contains(job.region, centre(moved)):
            whole.add(moved)
    return whole


def estimate_diameter(job: PlaneJob, settings: SegmentSettings) -> Generator[Advance, None, float | Failed]:
    """The typical diameter of a plane's cells, in pixels; for the worker thread."""
    return (yield from answer_for(_estimate_alone(job, settings)))


def _estimate_alone(job: PlaneJob, settings: SegmentSettings) -> Generator[Advance, None, float]:
    yield Advance(0.0, f"Loading {Path(settings.model).stem}")
    return (yield from _estimate(job, cached_engine(settings), settings, part=0.0))


def class_map(job: PlaneJob, settings: SegmentSettings) -> Generator[Advance, None, np.ndarray | Failed]:
    """The category of each pixel of a plane, (H, W) uint8 with 0 for background; for the worker thread."""
    return (yield from answer_for(_class_map(job, settings)))


def _class_map(job: PlaneJob, settings: SegmentSettings) -> Generator[Advance, None, np.ndarray]:
    from napari_centermask.pipeline import check_intensities, class_image, class_map_steps

    yield Advance(0.0, f"Loading {Path(settings.model).stem}")
    check_intensities(job.image, settings)
    steps = class_map_steps(job.image, cached_engine(settings), settings)
    return class_image((yield from _advancing(steps)))


def rank(
    images: Mapping[int, Path], reviewed: Mapping[int, Path], settings: SegmentSettings
) -> Generator[Advance, None, Ranking[int] | Failed]:
    """Images by how much correcting them would teach (`pipeline.ranking`); for the worker thread."""
    return (yield from answer_for(_rank(images, reviewed, settings)))


def _rank(
    images: Mapping[int, Path], reviewed: Mapping[int, Path], settings: SegmentSettings
) -> Generator[Advance, None, Ranking[int]]:
    from napari_centermask.pipeline.ranking import ranking_steps

    yield Advance(0.0, f"Loading {Path(settings.model).stem}")
    steps = ranking_steps(images, cached_engine(settings), settings, reviewed=reviewed)
    return (yield from _advancing(steps))


def _estimate(
    job: PlaneJob, engine: Engine, settings: SegmentSettings, *, part: float
) -> Generator[Advance, None, float]:
    from napari_centermask.pipeline import check_intensities, diameter_steps

    image, box = _part_of(job, settings)
    check_intensities(image, settings)
    steps = diameter_steps(image, engine, settings, **_place(job, box))
    while True:
        try:
            progress = _next(steps)
        except StopIteration as end:
            return float(end.value)
        yield Advance(part, progress.message)
