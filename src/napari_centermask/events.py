"""What a job reports, as JSON lines on standard output: one class for each kind of event, named by `event`.

Every field has a default, so that a line of an older version reads, and unknown fields are kept, so that a line of a newer
one does. Only the fields that were given are written.
"""

from __future__ import annotations

import json
import sys
import time as clock
from typing import Annotated, Any, Literal, TextIO

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

LOSS = "loss"
"""The names of losses begin with this."""


def _now() -> float:
    return round(clock.time(), 3)


class _Event(BaseModel):
    """An event; `time` is in seconds since 1970."""

    model_config = ConfigDict(frozen=True, extra="allow", ser_json_inf_nan="constants")

    time: float = Field(default_factory=_now)


class StartEvent(_Event):
    """A process begins to train; `batch` is in tiles, `tile` the side of one in pixels, `parameters` their number.

    Attributes
    ----------
    evaluate_every
        Steps from one evaluation to the next.
    minutes
        The limit on the time of all steps together; None for none.
    compares
        Whether the new model is compared with the old one at the end.
    """

    event: Literal["start"] = "start"
    out: str = ""
    step: int = 0
    steps: int = 0
    device: str = ""
    precision: str = ""
    parameters: int = 0
    batch: int | None = None
    tile: int | None = None
    evaluate_every: int | None = None
    minutes: float | None = None
    compares: bool = False


class StageEvent(_Event):
    """What the job is doing from now on: "reading the images", "training", "evaluating", "comparing"..."""

    event: Literal["stage"] = "stage"
    name: str = ""


class StepEvent(_Event):
    """The progress of the training, and the mean of each loss since the last of these events.

    Attributes
    ----------
    part
        In [0, 1], of the whole training.
    losses
        By name, each beginning with `LOSS`. In a line, they are beside the other fields.
    """

    event: Literal["step"] = "step"
    step: int = 0
    part: float = 0.0
    seconds: float = 0.0
    seconds_left: float | None = None
    memory_mb: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    losses: dict[str, float] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather_losses(cls, values: object) -> Any:
        if not isinstance(values, dict):
            return values
        own = {k for k in values if str(k).startswith(LOSS) and k not in cls.model_fields}
        if not own:
            return values
        losses = {k: values[k] for k in own if isinstance(values[k], (int, float))}
        return {k: v for k, v in values.items() if k not in own} | {"losses": losses}

    @model_serializer(mode="wrap")
    def _lay_losses_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        losses: dict[str, float] = values.pop("losses", {})
        return values | losses


class Sample(BaseModel):
    """A picture of what the model finds on a validation image."""

    model_config = ConfigDict(frozen=True)

    image: str = ""
    picture: str


class EvaluationEvent(_Event):
    """How good the model is on the validation images; step 0 is the start model.

    Attributes
    ----------
    AP, AP50
        Mean over the data folders, each in `per_folder`.
    category_AP50
        For a model of several categories, by which its best version is chosen: mean of the AP50 of each category alone.
    AP_known
        On a sample of the start model's training data, if there is one.
    boundary_iou, miou, pixel_accuracy, dice
        Of outlines and class maps, see `evaluation.boundary` and `evaluation.class_maps`; means over the data folders.
    score
        The lowest score of the cells that were counted.
    seconds
        How long the evaluation took.
    training_seconds
        How long the training had taken until then, without evaluations; None in files of earlier versions.
    samples
        PNG files, which the next evaluation overwrites.
    """

    event: Literal["evaluation"] = "evaluation"
    step: int = 0
    better: bool = False
    AP: float | None = None
    AP50: float | None = None
    category_AP50: float | None = None
    AP_known: float | None = None
    boundary_iou: float | None = None
    miou: float | None = None
    pixel_accuracy: float | None = None
    dice: float | None = None
    per_folder: dict[str, Any] = {}
    score: float | None = None
    seconds: float | None = None
    training_seconds: float | None = None
    samples: tuple[Sample, ...] = ()


class ComparisonEvent(_Event):
    """The new model was compared with the one it came from; `path` is comparison.json, with figures and pictures."""

    event: Literal["comparison"] = "comparison"
    recommended: bool = False
    sentence: str = ""
    path: str = ""


class CheckpointEvent(_Event):
    """The state was saved."""

    event: Literal["checkpoint"] = "checkpoint"
    step: int = 0
    path: str = ""


class NoticeEvent(_Event):
    """A message to show; `batch` if the number of tiles per step has changed, the other two for a search of the rate."""

    event: Literal["notice"] = "notice"
    message: str = ""
    batch: int | None = None
    rates: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()


class PausedEvent(_Event):
    """The job is paused."""

    event: Literal["paused"] = "paused"
    step: int = 0


class ResumedEvent(_Event):
    """The job continues after a pause."""

    event: Literal["resumed"] = "resumed"
    step: int = 0


class DoneEvent(_Event):
    """The training has ended; `model` are the best weights if there are any.

    Attributes
    ----------
    stopped
        Whether it was asked to stop.
    limited
        Whether the time limit ended it before the last step.
    """

    event: Literal["done"] = "done"
    step: int = 0
    best: float | None = None
    out: str = ""
    stopped: bool = False
    limited: bool = False
    model: str | None = None


class FailedEvent(_Event):
    """The training cannot continue.

    Attributes
    ----------
    reason
        "memory", "disk", "data", "numbers", "checkpoint" or "settings".
    remedy
        Settings to try again with.
    """

    event: Literal["failed"] = "failed"
    message: str = ""
    reason: str = "settings"
    remedy: dict[str, Any] = {}


class InstalledEvent(_Event):
    """The new model was installed under a name. The event has the name that the first version gave it."""

    event: Literal["adopted"] = "adopted"
    name: str = ""
    path: str = ""


Event = (
    StartEvent
    | StageEvent
    | StepEvent
    | EvaluationEvent
    | ComparisonEvent
    | CheckpointEvent
    | NoticeEvent
    | PausedEvent
    | ResumedEvent
    | DoneEvent
    | FailedEvent
    | InstalledEvent
)
_ANY: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def as_values(event: Event) -> dict[str, Any]:
    """An event as plain values for JSON: its kind, its time, and the fields that were given."""
    return {"event": event.event, "time": event.time} | event.model_dump(mode="json", exclude_unset=True)


def write(event: Event, stream: TextIO | None = None) -> None:
    """Write one event as one line and flush it.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    stream = stream or sys.stdout
    stream.write(json.dumps(as_values(event), allow_nan=False) + "\n")
    stream.flush()


def from_values(values: object) -> Event | None:
    """An event from the values of a line, without fields of the wrong type; None for anything else."""
    try:
        return _ANY.validate_python(values)
    except ValidationError as error:
        wrong = {place["loc"][1] for place in error.errors() if len(place["loc"]) > 1}
    if not isinstance(values, dict) or not wrong & values.keys():
        return None
    return from_values({name: value for name, value in values.items() if name not in wrong})


def parse(line: str | bytes) -> Event | None:
    """An event from a line; None for anything else that a library may have printed."""
    try:
        return from_values(json.loads(line))
    except (ValueError, RecursionError):
        return None
