"""The plan of a sweep: which settings of a run are searched, between which values, and how long. A JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, ValidationError, model_validator

from napari_centermask.core.errors import BadSettings
from napari_centermask.models.idle_settings import idle_in_training
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import Settings, TrainSettings, fault_text

FIXED = ("data", "replay", "unlabelled", "out", "device", "resume", "compare", "minutes", "evaluate_every", "patience")
"""Settings that are the same in all trials: where they run, what is judged on, and when, or results could not be compared."""


class Range(Settings):
    """Numbers between two limits, both included; whole ones where the setting is whole."""

    low: float = Field(..., description="Smallest value.")
    high: float = Field(..., description="Largest value.")
    log: bool = Field(False, description="Search on a logarithmic scale, as suits learning rates.")
    step: float | None = Field(None, gt=0, description="Only every so many from `low` on.")

    @model_validator(mode="after")
    def _check(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low must be less than high, got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range begins above 0, got {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range has no step, got both")
        return self


Space = dict[str, Range | list[JsonValue]]
"""Dotted name of a setting, such as "augment.noise" -> a range, or a list of values."""


class SweepPlan(Settings):
    """What `sweep` does; paths are relative to the current folder.

    The number of trials and those before the first is pruned are choices; the latter is Optuna's default.
    """

    run: Path = Field(..., description="Run file that all trials start from, such as `finetune --dry-run` writes.")
    out: Path = Field(..., description="Folder for the trials, the table and the plot.")
    search: Space = Field(..., min_length=1, description="The settings to search.")
    trials: int = Field(20, ge=1, le=10_000, description="Number of trials.")
    metric: Literal["AP", "AP50", "category_AP50", "AP_known", "boundary_iou", "miou", "dice"] = Field(
        "AP", description="What should be high: a figure of the evaluations during training."
    )
    sampler: Literal["tpe", "random"] = Field(
        "tpe", description="tpe: values are chosen by how good those before were; random: independently of them."
    )
    prune: bool = Field(True, description="End trials early that are worse than the median of those before.")
    startup: int = Field(5, ge=0, description="Trials that have to end before one is pruned.")
    minutes: float | None = Field(None, gt=0, description="No trial begins after so many minutes.")
    seed: int = Field(0, ge=0, description="Start of the random numbers that choose values.")


def read_plan(path: Path) -> tuple[SweepPlan, TrainSettings]:
    """Read a plan and its run file, and check them.

    Raises
    ------
    BadSettings
        If a file is missing or no plan, or a setting cannot be searched: which, and why.
    """
    try:
        plan = SweepPlan.model_validate_json(Path(path).read_bytes())
    except FileNotFoundError:
        raise BadSettings(f"The plan {path} does not exist. Choose a JSON file with a plan of a sweep.") from None
    except ValidationError as error:
        faults: dict[str, str] = {}
        for fault in error.errors():  # of a range that is wrong, the first says why; the second that it is no list
            faults.setdefault(_place(fault["loc"]), fault_text(fault))
        listed = "; ".join(f"{place}: {text}" for place, text in faults.items())
        raise BadSettings(f"{Path(path).name} is not a plan of a sweep: {listed}.") from None
    except OSError as error:
        raise BadSettings(f"The plan {path} cannot be read: {error.strerror}. Choose a JSON file.") from None
    plan = plan.model_copy(update={"run": plan.run.expanduser(), "out": plan.out.expanduser()})
    settings = read_run(plan.run)
    check_space(plan.search, settings)
    if (plan.metric == "AP_known" and not settings.replay) or (
        plan.metric == "category_AP50" and len(settings.model.categories) < 2
    ):
        raise BadSettings(f"The evaluations of this run have no {plan.metric}. Choose another `metric`, such as AP.")
    return plan, settings


def _place(parts: tuple[int | str, ...]) -> str:
    """Where in the file, without the kinds of values that were tried."""
    return ".".join(str(part) for part in parts if "[" not in str(part) and part != "Range") or "plan"


def read_run(path: Path) -> TrainSettings:
    """Read a run file.

    Raises
    ------
    BadSettings
        If it is missing or wrong: where.
    """
    try:
        return TrainSettings.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BadSettings(f"The run file {path} does not exist. Write one with `finetune --dry-run`.") from None
    except IsADirectoryError:
        raise BadSettings(
            f"{path} is a folder, not a run file. If it is a run folder, choose run.json in it."
        ) from None
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        if not place:
            raise BadSettings(f"{path} has no settings of a run. Write a run file with `finetune --dry-run`.") from None
        raise BadSettings(f"{path}: {place}: {fault_text(fault)}. Correct it there.") from None
    except (OSError, ValueError) as error:
        raise BadSettings(f"{path} is not a run file in JSON: {error}.") from None


def check_space(space: Space, settings: TrainSettings) -> None:
    """Refuse settings that cannot be searched.

    Raises
    ------
    BadSettings
        If one is unknown, the same in all trials, out of range, without effect in this run, or has less than two values.
    """
    idle = idle_in_training(settings, None if settings.start is None else find_model(settings.start).card)
    for name, values in space.items():
        if name in FIXED:
            raise BadSettings(f"'{name}' is the same in all trials, or they could not be compared. Leave it out.")
        if key := next((key for key in idle if name == key or name.startswith(f"{key}.")), None):
            raise BadSettings(f"'{name}' has no effect: {idle[key].why}. Leave it out of `search`.")
        if isinstance(values, list) and len({json.dumps(value) for value in values}) < max(2, len(values)):
            raise BadSettings(f"'{name}' needs at least two different values, got {json.dumps(values)}.")
        for value in values if isinstance(values, list) else (values.low, values.high):
            _check_value(settings, name, value, values)
        if isinstance(values, Range) and is_whole(settings, name, values):  # a tile, for one, is a multiple of 32
            _check_value(settings, name, values.low + (values.step or 1), values)


def _check_value(settings: TrainSettings, name: str, value: JsonValue, values: object) -> None:
    try:
        kept = value_of(with_values(settings, {name: value}), name)
    except ValidationError as error:
        fault = error.errors()[0]
        if fault["type"] == "extra_forbidden":
            raise BadSettings(
                f"There is no setting '{name}'. Name one of the run file, such as augment.noise."
            ) from None
        raise BadSettings(f"'{name}' cannot be {value!r}: {fault_text(fault)}. Change `search`.") from None
    is_number = isinstance(kept, (int, float)) and not isinstance(kept, bool)
    if isinstance(values, Range) and not is_number:
        raise BadSettings(f"'{name}' is not a number and has no range. Give a list of values.")
    if isinstance(values, Range) and isinstance(kept, int) and values.step is not None and values.step % 1:
        raise BadSettings(f"'{name}' takes whole numbers, and a step of {values.step:g} is none.")


def with_values(settings: TrainSettings, values: dict[str, Any]) -> TrainSettings:
    """The settings with other values, by dotted names.

    Raises
    ------
    pydantic.ValidationError
        If a name is unknown or a value out of range.
    """
    changed = settings.model_dump(exclude_unset=True)
    for name, value in values.items():
        *groups, last = name.split(".")
        place = changed
        for group in groups:
            place[group] = dict(inner) if isinstance(inner := place.get(group), dict) else {}
            place = place[group]
        place[last] = value
    return TrainSettings.model_validate(changed)


def value_of(settings: TrainSettings, name: str) -> Any:
    """The value of a setting by its dotted name."""
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def is_whole(settings: TrainSettings, name: str, values: Range) -> bool:
    """Whether a range holds whole numbers."""
    return isinstance(value_of(with_values(settings, {name: values.low}), name), int)
