"""How long a training run has taken by the clock, from the times of its events."""

from __future__ import annotations

from dataclasses import dataclass

from napari_centermask.events import (
    DoneEvent,
    Event,
    FailedEvent,
    PausedEvent,
    ResumedEvent,
    StageEvent,
    StartEvent,
    StepEvent,
)

TRAINING = "training"


@dataclass
class RunTime:
    """Feed it with all events of a run in order.

    Attributes
    ----------
    seconds
        That passed in all sessions together: preparation, steps, evaluations and the comparison, without pauses.
    in_steps
        Those of them in which steps were made.
    steps
        The number of these steps; those that a later session repeats count each time.
    """

    seconds: float = 0.0
    in_steps: float = 0.0
    steps: int = 0
    _last: float | None = None  # time of the last event; None between sessions and in a pause
    _stepping: float | None = None  # when the steps since the last report began
    _step: int = 0

    def feed(self, event: Event) -> None:
        """Count the time since the event before."""
        if self._last is not None and not isinstance(event, (StartEvent, ResumedEvent)):
            self.seconds += max(0.0, event.time - self._last)
        is_open = self._last is not None or isinstance(event, (StartEvent, ResumedEvent))
        self._last = event.time if is_open and not isinstance(event, (PausedEvent, DoneEvent, FailedEvent)) else None
        match event:
            case StartEvent() | PausedEvent():
                self._stepping = None
            case ResumedEvent():
                self._stepping = event.time
            case StageEvent():
                self._stepping = event.time if event.name == TRAINING else None
            case StepEvent():
                self._on_step(event)
        self._step = event.step if isinstance(event, (StartEvent, StepEvent)) else self._step

    def _on_step(self, event: StepEvent) -> None:
        if self._stepping is not None and event.step > self._step:
            self.in_steps += max(0.0, event.time - self._stepping)
            self.steps += event.step - self._step
            self._stepping = event.time

    @property
    def of_a_step(self) -> float | None:
        """Seconds of a step, the mean of all; None before the first one."""
        return self.in_steps / self.steps if self.steps else None


def duration(seconds: float) -> str:
    """Seconds in words: "40 s", "12 min", "2 h 05 min"."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
