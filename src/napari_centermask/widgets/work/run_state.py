"""State of a training run for a dock: stage, time left, curves, pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_centermask.core.counted import counted
from napari_centermask.events import (
    LOSS,
    DoneEvent,
    EvaluationEvent,
    Event,
    NoticeEvent,
    StageEvent,
    StartEvent,
    StepEvent,
)
from napari_centermask.widgets.work.run_time import TRAINING, RunTime, duration

EVALUATING = "evaluating"
_COMPARISON = 8
"""Evaluations that take as long as the comparison of both models: 126 s, where evaluations took 14 and 19 s (four images of
256 x 256 pixels and the replay sample, two cores)."""
STATES = {
    "starting": "Starting",
    "running": "Training",
    "paused": "Paused",
    "stopping": "Stopping after this step",
    "done": "Finished",
    "stopped": "Stopped; Continue goes on",
    "failed": "Failed",
}
_ENDED = ("done", "stopped", "failed")


@dataclass
class Curve:
    """One line of a plot: steps and values of the same length, steps rising."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, step: int, value: float) -> None:
        """Add a point, and remove later points from before a resume, which were lost."""
        while self.steps and self.steps[-1] >= step:
            self.steps.pop()
            self.values.pop()
        self.steps.append(step)
        self.values.append(value)


@dataclass
class RunState:
    """A view of a job's events; feed it with all of them in order.

    Attributes
    ----------
    losses, scores
        Curves by name: each loss, AP and AP50 on the validation images, and the AP on images like those of the start model.
    clock
        Seconds of training at some steps, evaluations not counted; empty where nothing recorded them.
    time
        That has passed, by the clock.
    seconds_left
        For the steps only, during training steps; None in other stages. `time_left` includes the evaluations.
    evaluate_every, limit_minutes, compares
        As in `events.StartEvent`.
    is_limited
        Whether the time limit ended the run before its last step.
    """

    state: str = "starting"
    stage: str = ""
    part: float = 0.0
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    evaluation_seconds: float | None = None
    memory_mb: float | None = None
    device: str = ""
    precision: str = ""
    batch: int = 0
    tile: int = 0
    evaluate_every: int = 0
    limit_minutes: float | None = None
    compares: bool = False
    is_limited: bool = False
    losses: dict[str, Curve] = field(default_factory=dict)
    scores: dict[str, Curve] = field(default_factory=dict)
    clock: Curve = field(default_factory=Curve)
    time: RunTime = field(default_factory=RunTime)
    best: float | None = None
    notices: list[str] = field(default_factory=list)
    model: Path | None = None
    _since: float | None = None  # when the evaluation began
    _evaluated: float = 0.0  # part of the training at the newest evaluation

    def feed(self, event: Event) -> None:
        """Update the state with an event."""
        self.time.feed(event)
        match event:
            case StartEvent():
                self._on_start(event)
            case StageEvent():
                self._on_stage(event)
            case StepEvent():
                self._on_step(event)
            case EvaluationEvent():
                self._on_evaluation(event)
            case NoticeEvent():
                self.notices.append(event.message)
                self.batch = event.batch or self.batch
            case DoneEvent():
                self._on_done(event)

    def _on_start(self, event: StartEvent) -> None:
        self.step, self.steps = event.step, event.steps
        self.batch, self.tile = event.batch or 0, event.tile or 0
        self.device, self.precision = event.device, event.precision
        self.evaluate_every, self.compares = event.evaluate_every or 0, event.compares
        self.limit_minutes = event.minutes
        self.stage, self.seconds_left, self.model, self.is_limited = "", None, None, False

    def _on_stage(self, event: StageEvent) -> None:
        self.stage = event.name
        self._since = event.time if self.stage == EVALUATING else None
        if self.stage != TRAINING:
            self.seconds_left = None

    def _on_step(self, event: StepEvent) -> None:
        self.step, self.part = event.step, min(1.0, max(0.0, event.part))
        self.seconds_left, self.memory_mb = event.seconds_left, event.memory_mb
        if event.seconds:
            self.clock.add(event.step, event.seconds)
        for name, value in event.losses.items():
            self.losses.setdefault(name.removeprefix(LOSS).strip("_") or LOSS, Curve()).add(self.step, value)

    def _on_evaluation(self, event: EvaluationEvent) -> None:
        if self._since is not None:
            self.evaluation_seconds = max(0.0, event.time - self._since)
        self._evaluated = self.part if event.step else 0.0
        if event.training_seconds is not None:
            self.clock.add(event.step, event.training_seconds)
        for name in ("AP", "AP50", "category_AP50", "AP_known"):
            if (value := getattr(event, name)) is not None:
                self.scores.setdefault(name, Curve()).add(event.step, value)

    def _on_done(self, event: DoneEvent) -> None:
        self.stage, self.seconds_left = "", None
        self.is_limited = event.limited
        self.part = self.step / self.steps if event.limited and self.steps else self.part if event.stopped else 1.0
        self.model = None if event.model is None else Path(event.model)

    def minutes(self, steps: Sequence[int]) -> list[float]:
        """Minutes of training until some steps; between the recorded ones, as if all steps took equally long."""
        return (np.interp(steps, [0, *self.clock.steps], [0, *self.clock.values]) / 60).tolist()

    @property
    def last_step(self) -> int:
        """The step at which the run will end: the last one, or the one that the time limit is expected to allow."""
        return min(self.steps, max(self.step, round(self.step / self.part))) if self.part and self.step else self.steps

    @property
    def seconds_of_rest(self) -> float | None:
        """Seconds that the steps which the time limit left out would take, at the pace so far; None if unknown."""
        each = self.time.of_a_step
        return None if each is None else (self.steps - self.step) * each

    @property
    def time_left(self) -> float | None:
        """Seconds until the end, comparison included; None if unknown.

        Evaluations are assumed to take as long as the last one.
        """
        if self.seconds_left is not None and self.evaluation_seconds is not None and self.evaluate_every:
            n_left = math.ceil((self.last_step - self.step) / self.evaluate_every) + (
                _COMPARISON if self.compares else 0
            )
            return self.seconds_left + n_left * self.evaluation_seconds
        return self._time_left_without_plan

    @property
    def _time_left_without_plan(self) -> float | None:
        """The same for runs of earlier versions, which do not say how often they evaluate; without the comparison."""
        n_done = sum(step > 0 for step in self.scores["AP"].steps) if "AP" in self.scores else 0
        if self.seconds_left is None or self.evaluation_seconds is None or not n_done or not self._evaluated:
            return self.seconds_left
        n_left = math.ceil(round((1 - self.part) / (self._evaluated / n_done), 2))
        return self.seconds_left + n_left * self.evaluation_seconds

    @property
    def title(self) -> str:
        """A line or two: the stage and the progress, or how the run ended; and the time that it has taken."""
        text = STATES.get(self.state, self.state)
        if self.state == "running" and self.stage:
            text = self.stage.capitalize()
        elif self.state == "done" and self.is_limited:
            text = "Ended by its time limit"
        if self.steps and self.step:
            text += f" · step {self.step:,} of {self.steps:,}"
        if self.state == "running":
            return text + self._rest
        return f"{text} · took {duration(self.time.seconds)}" if self.state in _ENDED and self.time.seconds else text

    @property
    def _rest(self) -> str:
        """What has passed and what is still to come, as far as it was measured."""
        text = ""
        if self.stage == TRAINING and self.step and self.last_step < 0.95 * self.steps:
            text += f" · the time limit ends it near step {self.last_step:,}"
        if self.stage == TRAINING and not self.step:
            return f"{text} · measuring the time of a step"
        if self.step and self.time.seconds:
            text += f" · {duration(self.time.seconds)} so far"
        return text if self.time_left is None else f"{text} · about {duration(self.time_left)} left"

    @property
    def machine(self) -> str:
        """One line: device, memory, and the size of a step."""
        parts = [self.device and f"{self.device}, {self.precision}" if self.precision else self.device]
        parts.append("" if self.memory_mb is None else f"{self.memory_mb / 1000:.1f} GB")
        parts.append(f"{self.batch} tiles of {self.tile} px" if self.batch and self.tile else "")
        return " · ".join(p for p in parts if p)


def rest_of(state: RunState) -> str:
    """What the time limit left out of a run: "283 steps, about 26 min"; empty if it did not cut the run short."""
    if not state.is_limited:
        return ""
    seconds = state.seconds_of_rest
    steps = counted(state.steps - state.step, "step")
    return steps if seconds is None else f"{steps}, about {duration(seconds)} as measured, and the evaluations"
