"""The record of a sweep, kept by Optuna in a file of the folder: which values were tried, and what they gave."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_centermask.core.errors import MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.jobs.sweep.plan import Range, SweepPlan, is_whole
from napari_centermask.settings import TrainSettings

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

JOURNAL = "study.journal"
"""Every line is one change, appended: what a kill leaves can be read. No database, so that network folders do."""


def open_study(plan: SweepPlan) -> Study:
    """The study in the plan's folder, a new one if there is none.

    Raises
    ------
    MissingExtra
        If Optuna is not installed.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    except ImportError as error:
        raise MissingExtra(f"A sweep needs Optuna ({error}): {how_to_install('train', 'sweep')}") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = str(plan.out / JOURNAL)
    # A lock by opening a file, as Windows may have no links.
    storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
    study = optuna.create_study(study_name="sweep", storage=storage, direction="maximize", load_if_exists=True)
    seed = plan.seed + len(study.trials)  # a sweep that goes on must not choose its first values again
    samplers = optuna.samplers
    study.sampler = samplers.TPESampler(seed=seed) if plan.sampler == "tpe" else samplers.RandomSampler(seed=seed)
    study.pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=plan.startup) if plan.prune else optuna.pruners.NopPruner()
    )
    return study


def ask(study: Study, plan: SweepPlan, settings: TrainSettings) -> Trial:
    """The next trial, with its values chosen."""
    return study.ask({name: _distribution(plan, settings, name) for name in plan.search})


def unfinished(study: Study) -> list[Trial]:
    """Trials that began and have not ended, as after a cancel or a kill."""
    from optuna.trial import Trial, TrialState

    return [Trial(study, trial._trial_id) for trial in study.get_trials(states=[TrialState.RUNNING])]


def ended(study: Study) -> list[FrozenTrial]:
    """Trials that have ended, whether complete, pruned or failed."""
    from optuna.trial import TrialState

    return study.get_trials(states=[TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])


def chosen(params: Mapping[str, Any], plan: SweepPlan) -> dict[str, Any]:
    """The values of a trial as the settings have them; Optuna keeps those of lists as JSON."""
    return {name: json.loads(value) if isinstance(plan.search[name], list) else value for name, value in params.items()}


def _distribution(plan: SweepPlan, settings: TrainSettings, name: str) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = plan.search[name]
    if not isinstance(values, Range):
        return CategoricalDistribution([json.dumps(value) for value in values])
    low, high, step = values.low, values.high, values.step
    if step is not None:
        high = low + step * math.floor((high - low) / step + 1e-9)  # the last value on the grid; rounding may miss it
    if is_whole(settings, name, values):
        return IntDistribution(int(low), int(high), log=values.log, step=int(step or 1))
    return FloatDistribution(low, high, log=values.log, step=step)


def folder_of(plan: SweepPlan, number: int) -> Path:
    """The run folder of a trial, numbered from 1."""
    return plan.out / "trials" / f"{number + 1:04d}"
