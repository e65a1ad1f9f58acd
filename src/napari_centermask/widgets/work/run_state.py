"""State of a training run for a dock: stage, time left, curves, pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

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

TRAINING, EVALUATING = "training", "evaluating"
STATES = {
    "starting": "Starting",
    "running": "Training",
    "paused": "Paused",
    "stopping": "Stopping after this step",
    "done": "Finished",
    "stopped": "Stopped; Resume continues",
    "failed": "Failed",
}


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
    seconds_left
        For the steps only, during training steps; None in other stages. `time_left` includes the evaluations.
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
    losses: dict[str, Curve] = field(default_factory=dict)
    scores: dict[str, Curve] = field(default_factory=dict)
    clock: Curve = field(default_factory=Curve)
    best: float | None = None
    notices: list[str] = field(default_factory=list)
    model: Path | None = None
    _since: float | None = None  # when the evaluation began
    _evaluated: float = 0.0  # part of the training at the newest evaluation

    def feed(self, event: Event) -> None:
        """Update the state with an event."""
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
        self.stage, self.seconds_left, self.model = "", None, None

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
        self.part = self.part if event.stopped else 1.0
        self.model = None if event.model is None else Path(event.model)

    def minutes(self, steps: Sequence[int]) -> list[float]:
        """Minutes of training until some steps; between the recorded ones, as if all steps took equally long."""
        return (np.interp(steps, [0, *self.clock.steps], [0, *self.clock.values]) / 60).tolist()

    @property
    def time_left(self) -> float | None:
        """Seconds until the last step, assuming evaluations as frequent and long as before; None if unknown."""
        n_done = sum(step > 0 for step in self.scores["AP"].steps) if "AP" in self.scores else 0
        if self.seconds_left is None or self.evaluation_seconds is None or not n_done or not self._evaluated:
            return self.seconds_left
        n_left = math.ceil(round((1 - self.part) / (self._evaluated / n_done), 2))
        return self.seconds_left + n_left * self.evaluation_seconds

    @property
    def title(self) -> str:
        """One line: the stage and the progress."""
        text = STATES.get(self.state, self.state)
        if self.state == "running" and self.stage:
            text = self.stage.capitalize()
        if self.steps and self.step:
            text += f" · step {self.step:,} of {self.steps:,}"
        if self.state == "running" and self.time_left is not None:
            text += f" · {duration(self.time_left)} left"
        return text

    @property
    def machine(self) -> str:
        """One line: device, memory, and the size of a step."""
        parts = [self.device and f"{self.device}, {self.precision}" if self.precision else self.device]
        parts.append("" if self.memory_mb is None else f"{self.memory_mb / 1000:.1f} GB")
        parts.append(f"{self.batch} tiles of {self.tile} px" if self.batch and self.tile else "")
        return " · ".join(p for p in parts if p)


def duration(seconds: float) -> str:
    """Seconds in words: "40 s", "12 min", "2 h 05 min"."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
