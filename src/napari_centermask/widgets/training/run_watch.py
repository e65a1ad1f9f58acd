"""Watch a training run from a worker thread: updates in portions that the event loop can handle."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtGui import QImage

from napari_centermask.core.errors import UserError
from napari_centermask.events import ComparisonEvent, EvaluationEvent, Event, StartEvent
from napari_centermask.jobs.explain import Failure
from napari_centermask.jobs.process import Job
from napari_centermask.widgets.parts.picture import read_picture
from napari_centermask.widgets.training.comparison import Compared, read_comparison
from napari_centermask.widgets.training.new_model import installed_as
from napari_centermask.widgets.work.tasks import Failed

INTERVAL_S = 0.25  # between looks at the events: a choice, about as often as curves are drawn
_PORTION = 400  # events handed over at a time


@dataclass(frozen=True)
class RunUpdate:
    """An update from a job.

    Attributes
    ----------
    events
        Those since the last update.
    pictures
        Name and picture of each validation image, if there are new ones.
    model
        Weights of the best model so far.
    compared
        Old and new model side by side, if they were compared since the last update and the last start.
    installed
        The name under which the model of an ended run is installed; empty if it is not.
    """

    folder: Path
    events: tuple[Event, ...]
    state: str
    failure: Failure | None = None
    can_resume: bool = False
    model: Path | None = None
    pictures: tuple[tuple[str, QImage], ...] = ()
    compared: Compared | None = None
    installed: str = ""


def watch(begin: Callable[[], Job | None]) -> Generator[RunUpdate | Job | None, None, Failed | None]:
    """Start or open a job with `begin` and yield updates until it ends; for the worker thread.

    Closing the generator leaves the job running. If `begin` returns None, there is nothing to watch.
    """
    try:
        job = begin()
    except UserError as error:
        return Failed.of(error)
    if job is None:
        return None
    yield job
    before = None
    old = current(job.events())
    for start in range(0, len(old), _PORTION):
        yield _update(job, old[start : start + _PORTION])
    for events in job.follow(interval_s=INTERVAL_S):
        if events or job.state != before:
            before = job.state
            yield _update(job, events)
        else:
            yield None
    return None


def current(events: list[Event]) -> list[Event]:
    """The events without comparisons from before the last start, as the best model may have changed since."""
    start = max((at for at, e in enumerate(events) if isinstance(e, StartEvent)), default=0)
    return [e for at, e in enumerate(events) if at >= start or not isinstance(e, ComparisonEvent)]


def _update(job: Job, events: list[Event]) -> RunUpdate:
    evaluations = [e for e in events if isinstance(e, EvaluationEvent)]
    pictures = _pictures(evaluations[-1]) if evaluations else ()
    comparisons = [e for e in current(events) if isinstance(e, ComparisonEvent)]
    compared = read_comparison(Path(comparisons[-1].path)) if comparisons else None
    installed = installed_as(job.model) if job.model is not None and not job.is_alive else ""
    state = job.state, job.failure, job.can_resume, job.model
    return RunUpdate(job.folder, tuple(events), *state, pictures, compared, installed)


def _pictures(evaluation: EvaluationEvent) -> tuple[tuple[str, QImage], ...]:
    """The sample pictures of an evaluation, read at once, as the next evaluation overwrites them."""
    read = ((sample.image, read_picture(Path(sample.picture))) for sample in evaluation.samples)
    return tuple((name, picture) for name, picture in read if picture is not None)
