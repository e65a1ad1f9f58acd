"""The run in progress: the model segments an image off the GUI thread, and its cells are added to that image."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_warning
from psygnal import Signal

from napari_centermask.core.counted import counted
from napari_centermask.core.misfit import misfit
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed, Finished, run

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_centermask.core.result import Result
    from napari_centermask.pipeline import Plane, PlaneCells, Progress
    from napari_centermask.settings import SegmentSettings
    from napari_centermask.widgets.viewer.shown import Shown

Then = Callable[[Any], str]
CANCELLED = "Cancelled."
_NAMED = 3  # planes without cells that a message names


class ImageRun:
    """Runs one task of the model at a time.

    Parameters
    ----------
    take
        Adds the cells of a plane to a result.

    Attributes
    ----------
    reported
        Emitted with a sentence about how the run ended.
    runner
        Runs the task off the GUI thread.
    name
        Of the image, or of what is asked about it.
    target
        The result that the run fills; None without a run.
    """

    reported = Signal(str)

    def __init__(self, take: Callable[[Shown, PlaneCells], None]) -> None:
        self._take = take
        self.runner = Runner()
        self.target: Shown | None = None
        self._then: Then | None = None
        self._stopped = CANCELLED
        self.name, self._began = "", 0.0
        self._links = Connections()
        self._links.add(self.runner.ended, self._on_ended)

    def end(self) -> None:
        """The viewer was closed: stop within one tile."""
        self._links.end()
        self.runner.cancel()

    def segment(self, shown: Shown, planes: list[Plane], settings: SegmentSettings, *, name: str) -> None:
        """Segment planes into a result; raises RuntimeError if a run is in progress."""
        shown.settings, shown.diameter, shown.misfit, self.name = settings, settings.diameter, "", name
        self._began = time.perf_counter()
        self.runner.start(f"CenterMask: {name}", run, planes, settings, on_yield=lambda done: self._take(shown, done))
        self.target = shown

    def ask(
        self,
        title: str,
        work: Callable[[list[Plane], SegmentSettings], Generator[Progress, None, object]],
        planes: list[Plane],
        settings: SegmentSettings,
        then: Then,
        *,
        stopped: str = CANCELLED,
    ) -> None:
        """Compute something else with the model; `then` gets the answer and returns the report.

        Parameters
        ----------
        stopped
            The report of a run that is cancelled.
        """
        self._then, self.name, self._stopped = then, title, stopped
        self.runner.start(f"CenterMask: {title}", work, planes, settings)

    def stop_for(self, removed: Layer) -> None:
        """Stop if the image being segmented was removed."""
        if self.target is not None and removed is self.target.source():
            self.runner.cancel()
            show_warning(f"'{removed.name}' was removed while it was being segmented; the run was stopped.")

    def _on_ended(self, value: object) -> None:
        shown, self.target = self.target, None
        then, self._then = self._then, None
        stopped, self._stopped = self._stopped, CANCELLED
        if isinstance(value, Failed):
            notify(value.message, value.page)
            self.reported.emit(value.message)
        elif isinstance(value, Finished) and shown is not None:
            if value.left_out:
                show_warning(_skipped(value))
            shown.diameter = value.diameter
            shown.misfit = _misfit(shown)
            self.reported.emit(
                f"{self.name}: {_summary(shown.result, value, seconds=time.perf_counter() - self._began)}"
            )
        elif value is not None and then is not None:
            self.reported.emit(then(value))
        else:
            self.reported.emit(stopped if self.runner.cancelled else "Stopped by an error.")


def _misfit(shown: Shown) -> str:
    """Why the model of a run does not seem to suit the image."""
    settings, result = shown.settings, shown.result
    if settings is None or shown.diameter is None:
        return ""
    own = [c.score for c in result if c.status == "predicted" and not c.is_draft]
    kept = [c for c in result if c.status != "predicted" or c.is_draft]
    if kept:  # what a person decided hides what the model found
        return ""
    return misfit(np.array(own), threshold=settings.score, diameter=shown.diameter, shape=result.shape)


def _skipped(end: Finished) -> str:
    """Which planes have no cells, and why."""
    n = len(end.left_out)
    more = [f"And {n - _NAMED} more."] if n > _NAMED else []
    named = [f"Plane {why}" for why in end.left_out[:_NAMED]]
    return " ".join([f"Skipped {n} of {counted(end.n_planes, 'plane')}; the others are done.", *named, *more])


def _summary(result: Result, end: Finished, *, seconds: float) -> str:
    """What was found, and how long a person waited for it, the loading of the model included."""
    n = result.n_visible()
    ran = f"diameter {end.diameter:.0f} px, {end.engine} on {end.device}"
    return " ".join([f"{counted(n, 'cell')} in {seconds:.1f} s ({ran}).", *end.notes])
