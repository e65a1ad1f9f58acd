"""What a training has told so far, in the form that a dock shows: stage, time left, curves, pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOSS = "loss"
"""With this begin the names of losses in a `step` event."""
SCORES = ("AP", "AP50", "AP_known")
TRAINING, EVALUATING = "training", "evaluating"
STATES = {
    "starting": "Starting",
    "running": "Training",
    "paused": "Paused",
    "stopping": "Stopping after this step",
    "done": "Finished",
    "stopped": "Stopped; Resume goes on",
    "failed": "Failed",
}


@dataclass
class Curve:
    """One line of a plot: steps and values of the same length, steps rising."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, step: int, value: float) -> None:
        """Add a point; what an earlier sitting reached beyond it was lost and goes."""
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
        Curves by name: each loss, AP and AP50 on the validation images, and the AP on those of what the start model was made for.
    samples
        Of the newest evaluation: {"image": its name, "picture": the file}.
    seconds_left
        Of steps alone, while steps are made; None in other stages. `time_left` counts the evaluations too.
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
    best: float | None = None
    samples: list[dict[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    model: Path | None = None
    _since: float | None = None  # when the evaluation began
    _evaluated: float = 0.0  # part of the training at the newest evaluation

    def feed(self, event: dict[str, Any]) -> None:
        """Take one event; fields that are missing or of the wrong kind are left out."""
        handler = getattr(self, f"_on_{event.get('event')}", None)
        if handler is not None:
            handler(event)

    def _on_start(self, event: dict[str, Any]) -> None:
        self.step, self.steps = _whole(event, "step"), _whole(event, "steps")
        self.batch, self.tile = _whole(event, "batch"), _whole(event, "tile")
        self.device, self.precision = str(event.get("device", "")), str(event.get("precision", ""))
        self.stage, self.seconds_left, self.model = "", None, None

    def _on_stage(self, event: dict[str, Any]) -> None:
        self.stage = str(event.get("name", ""))
        self._since = _number(event.get("time")) if self.stage == EVALUATING else None
        if self.stage != TRAINING:
            self.seconds_left = None

    def _on_step(self, event: dict[str, Any]) -> None:
        self.step = _whole(event, "step")
        self.part = min(1.0, max(0.0, _number(event.get("part")) or 0.0))
        self.seconds_left, self.memory_mb = _number(event.get("seconds_left")), _number(event.get("memory_mb"))
        for name, value in event.items():
            if name.startswith(LOSS) and (number := _number(value)) is not None:
                self.losses.setdefault(name.removeprefix(LOSS).strip("_") or LOSS, Curve()).add(self.step, number)

    def _on_evaluation(self, event: dict[str, Any]) -> None:
        step, now = _whole(event, "step"), _number(event.get("time"))
        if now is not None and self._since is not None:
            self.evaluation_seconds = max(0.0, now - self._since)
        self._evaluated = self.part if step else 0.0
        for name in SCORES:
            if (number := _number(event.get(name))) is not None:
                self.scores.setdefault(name, Curve()).add(step, number)
        if (curve := self.scores.get("AP")) is not None:
            self.best = max(curve.values)
        samples = event.get("samples")
        if isinstance(samples, list):
            self.samples = [s for s in samples if isinstance(s, dict) and isinstance(s.get("picture"), str)]

    def _on_notice(self, event: dict[str, Any]) -> None:
        self.notices.append(str(event.get("message", "")))
        self.batch = _whole(event, "batch") or self.batch

    def _on_done(self, event: dict[str, Any]) -> None:
        self.stage, self.seconds_left = "", None
        self.part = self.part if event.get("stopped") else 1.0
        self.model = Path(event["model"]) if isinstance(event.get("model"), str) else None

    @property
    def time_left(self) -> float | None:
        """Seconds until the last step, with evaluations as frequent and as long as so far; None where it is not known."""
        n_done = sum(step > 0 for step in self.scores["AP"].steps) if "AP" in self.scores else 0
        if self.seconds_left is None or self.evaluation_seconds is None or not n_done or not self._evaluated:
            return self.seconds_left
        n_left = math.ceil(round((1 - self.part) / (self._evaluated / n_done), 2))
        return self.seconds_left + n_left * self.evaluation_seconds

    @property
    def title(self) -> str:
        """One line: what goes on, and how far."""
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
        """One line: device, memory, and what goes through it at a time."""
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


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _whole(event: dict[str, Any], name: str) -> int:
    return int(_number(event.get(name)) or 0)
