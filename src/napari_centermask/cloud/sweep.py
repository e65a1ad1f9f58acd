"""The plan of a sweep as a sweep job of Azure: what is searched, how trials are chosen and ended, and the command of a trial."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.core.errors import BadSettings
from napari_centermask.jobs.sweep.plan import Range, SweepPlan, is_whole
from napari_centermask.settings import TrainSettings
from napari_centermask.training.run.mlflow_metrics import VALIDATION

if TYPE_CHECKING:
    from azure.ai.ml.entities import Command, Sweep
    from azure.ai.ml.sweep import Choice, LogUniform, Uniform

MOST_CHOICES = 64
"""Whole numbers and steps of a range become a list of so many values at most: a choice, more than a sweep tries."""


def input_name(setting: str) -> str:
    """The name of a setting in a search space, where names have no dots."""
    return setting.replace(".", "__")


def check_sweep(plan: SweepPlan, settings: TrainSettings, *, processes: int, is_scaled: bool) -> None:
    """Refuse what a service cannot search, before anything is sent.

    Parameters
    ----------
    processes
        Of a trial, on all its machines.
    is_scaled
        Whether batch and learning rate grow with their number.

    Raises
    ------
    BadSettings
        If a value cannot be a flag, or some trials had less tiles than processes or another batch than they name.
    """
    if is_scaled and (both := {"batch", "learning_rate", "steps"} & plan.search.keys()):
        raise BadSettings(
            f"--scale-batch would change what is searched: {', '.join(sorted(both))}. Leave one of them out."
        )
    for name, values in plan.search.items():
        listed = [_flag_value(name, value) for value in values] if isinstance(values, list) else [values.low]
        if name == "batch" and min(map(float, listed)) < processes:
            raise BadSettings(
                f"{processes} processes need as many tiles per step; `search` has {min(listed)}. Use fewer."
            )


def flags_of(space: SweepPlan) -> str:
    """The flags of `train` with the values that the service puts in their place.

    A list of values is several arguments, and a flag without a value is not possible: `--augment.flip=false`.
    """
    return " ".join(
        f"--{name}{_glue(values)}${{{{search_space.{input_name(name)}}}}}" for name, values in space.search.items()
    )


def _glue(values: Range | list[Any]) -> str:
    return " " if isinstance(values, list) and isinstance(values[0], list) else "="


def search_space(plan: SweepPlan, settings: TrainSettings) -> dict[str, Choice | LogUniform | Uniform]:
    """The search space in the SDK's words.

    Raises
    ------
    BadSettings
        If a value cannot be a flag.
    """
    from azure.ai.ml.sweep import Choice, LogUniform, Uniform

    space: dict[str, Choice | LogUniform | Uniform] = {}
    for name, values in plan.search.items():
        if isinstance(values, list):
            space[input_name(name)] = Choice([_flag_value(name, value) for value in values])
        elif values.step is not None or is_whole(settings, name, values):
            space[input_name(name)] = Choice(_grid(values, whole=is_whole(settings, name, values)))
        elif values.log:  # whose limits are those of the exponent
            space[input_name(name)] = LogUniform(min_value=math.log(values.low), max_value=math.log(values.high))
        else:
            space[input_name(name)] = Uniform(min_value=values.low, max_value=values.high)
    return space


def _flag_value(name: str, value: Any) -> str | int | float:
    """A value of a list as it is typed after a flag."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float) or (isinstance(value, str) and value.replace("-", "").replace("_", "").isalnum()):
        return value
    if isinstance(value, list) and value and all(isinstance(one, int | float) for one in value):
        return " ".join(f"{one:g}" for one in value)
    raise BadSettings(
        f"'{name}' cannot be {value!r} on Azure, where values are flags. Name a number, a word or a list of numbers."
    )


def _grid(values: Range, *, whole: bool) -> list[float]:
    """The values of a range with steps or of whole numbers, thinned out evenly if they are many."""
    if values.log:
        grid = np.geomspace(values.low, values.high, MOST_CHOICES)
    else:
        grid = np.arange(values.low, values.high + 1e-9 * abs(values.high), values.step or 1)
        if len(grid) > MOST_CHOICES:
            grid = grid[np.linspace(0, len(grid) - 1, MOST_CHOICES).astype(int)]
    return sorted({round(float(value)) if whole else round(float(value), 12) for value in grid})


def sampling_of(plan: SweepPlan) -> str:
    """How Azure chooses values: its Bayesian sampling knows neither early ends nor logarithmic ranges."""
    is_log = any(isinstance(values, Range) and values.log for values in plan.search.values())
    return "bayesian" if plan.sampler == "tpe" and not plan.prune and not is_log else "random"


def sweep_of(job: Command, plan: SweepPlan, settings: TrainSettings, *, concurrent: int, hours: float) -> Sweep:
    """The sweep job whose trials are a job.

    Parameters
    ----------
    job
        Of a single run, without the flags of the search.
    concurrent
        Trials at a time.
    hours
        After which the service ends a trial.
    """
    from azure.ai.ml.sweep import MedianStoppingPolicy

    job.component.command = f"{job.component.command} {flags_of(plan)}"
    rounds = math.ceil(plan.trials / concurrent)
    return job.sweep(
        primary_metric=f"{VALIDATION}{plan.metric}",
        goal="maximize",
        sampling_algorithm=sampling_of(plan),
        search_space=search_space(plan, settings),
        max_total_trials=plan.trials,
        max_concurrent_trials=concurrent,
        trial_timeout=round(hours * 3600),
        timeout=round(rounds * hours * 3600),
        early_termination_policy=MedianStoppingPolicy(evaluation_interval=1, delay_evaluation=1)
        if plan.prune
        else None,
    )
