"""Carry a sweep out: each trial is a training job in a folder of its own, ended early where it falls behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_centermask.core.errors import BadSettings, MissingExtra, UserError
from napari_centermask.events import EvaluationEvent
from napari_centermask.io.lock import lock_for_run
from napari_centermask.io.whole_file import whole_file
from napari_centermask.jobs.process import STATES, Job
from napari_centermask.jobs.sweep.plan import SweepPlan, with_values
from napari_centermask.jobs.sweep.report import FIGURE, Row, draw, rows_of, write_report
from napari_centermask.jobs.sweep.study import ask, chosen, ended, folder_of, open_study, unfinished
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.image_store import remove_decoded

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import Trial

PLAN = "plan.json"
OVER = frozenset({"done", "stopped"})
"""States of a job that has nothing left to do; one that failed while no sweep watched it is tried again."""
IN_A_ROW = 3
"""Failed trials after which a sweep ends, as the next one would fail too: a choice."""
SAVE_S = 60.0
"""How long a trial may take to save its state when the sweep is cancelled, in seconds: a choice, many steps."""
LOOK_S = 0.1
"""Between two looks whether it has; a choice."""
SAME = ("search", "metric")
"""What a sweep that goes on may not change, or its trials could not be compared."""


def run_sweep(plan: SweepPlan, settings: TrainSettings, say: Callable[[str], None]) -> list[Row]:
    """Run the trials that are left, and write table, plot and best run file after each; the trials in their order.

    A sweep that was cancelled or killed goes on where it was: its unfinished trial continues from its last checkpoint.

    Raises
    ------
    BadSettings
        If the folder has another sweep.
    CannotSave
        If another process runs this sweep, or the folder cannot be written.
    UserError
        If the disk is full, or three trials failed in a row.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    lock = lock_for_run(plan.out)
    try:
        _keep_plan(plan)
        study = open_study(plan)
        try:
            _run_trials(study, plan, settings, say)
        finally:
            _write(study, plan, say)
        return rows_of(study, plan)
    finally:
        lock.release()


def _keep_plan(plan: SweepPlan) -> None:
    """Write the plan into its folder; refuse a folder with another one."""
    path = plan.out / PLAN
    if path.exists():
        try:
            before = SweepPlan.model_validate_json(path.read_bytes())
        except ValidationError:
            raise BadSettings(f"{path} is damaged. Choose another `out`.") from None
        if changed := next((name for name in SAME if getattr(before, name) != getattr(plan, name)), None):
            raise BadSettings(f"{plan.out} has a sweep with another `{changed}`. Choose another `out` in the plan.")
    with whole_file(path) as part:
        part.write_text(plan.model_dump_json(indent=1), encoding="utf-8")


def _run_trials(study: Study, plan: SweepPlan, settings: TrainSettings, say: Callable[[str], None]) -> None:
    end = None if plan.minutes is None else time.monotonic() + 60 * plan.minutes
    todo = unfinished(study)
    failed: list[str] = []
    while todo or len(ended(study)) < plan.trials:
        if end is not None and time.monotonic() > end:
            say(f"The limit of {plan.minutes:g} minutes is over after {len(ended(study))} of {plan.trials} trials.")
            return
        trial = todo.pop(0) if todo else ask(study, plan, settings)
        values = chosen(trial.params, plan)
        say(f"Trial {trial.number + 1} of {plan.trials}: {', '.join(f'{k} {_short(v)}' for k, v in values.items())}")
        error = _run_trial(study, trial, plan, settings, say)
        failed = [*failed, error] if error else []
        if len(failed) >= IN_A_ROW:
            raise UserError(f"{IN_A_ROW} trials failed in a row, the last one so: {error} Correct the plan or its run.")
        _write(study, plan, say, is_drawn=False)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _run_trial(study: Study, trial: Trial, plan: SweepPlan, settings: TrainSettings, say: Callable[[str], None]) -> str:
    """Run or continue a trial to its end; why it failed, "" if it did not."""
    from optuna.trial import TrialState

    folder = folder_of(plan, trial.number)
    try:
        run = with_values(settings, chosen(trial.params, plan)).model_copy(update={"out": folder, "resume": False})
    except ValidationError as error:  # two values that do not go together
        return _fail(study, trial, f"{error.errors()[0]['msg']}.", say)
    job = Job(folder.resolve())
    job.poll()
    if not job.is_alive and job.state not in OVER:
        job = Job.start(run.model_copy(update={"resume": job.can_resume}))
    try:
        is_pruned = _follow(job, trial, plan, say)
    except BaseException:
        _save_and_end(job)
        raise
    if (failure := job.failure) is not None:
        if failure.reason == "disk":
            raise UserError(f"{failure.message} Then run the sweep again; it goes on with this trial.")
        return _fail(study, trial, failure.message, say)
    curve = _curve(study, trial)
    if not curve:
        return _fail(study, trial, "It ended before its first evaluation.", say)
    study.tell(trial.number, **({"state": TrialState.PRUNED} if is_pruned else {"values": curve[-1]}))
    _remove_checkpoints(job)
    return ""


def _curve(study: Study, trial: Trial) -> list[float]:
    return [value for _, value in sorted(study.trials[trial.number].intermediate_values.items())]


def _fail(study: Study, trial: Trial, message: str, say: Callable[[str], None]) -> str:
    from optuna.trial import TrialState

    trial.set_user_attr("error", message)
    study.tell(trial.number, state=TrialState.FAIL)
    say(f"  failed: {message}")
    return message


def _follow(job: Job, trial: Trial, plan: SweepPlan, say: Callable[[str], None]) -> bool:
    """Report the evaluations of a job until it ends; whether it was ended early.

    Trials are compared at their n-th evaluation, by the model that each has kept until then.
    """
    known = len(_curve(trial.study, trial))
    count, kept = 0, 0.0
    for events in chain([job.events()], job.follow()):
        for event in events:
            if not isinstance(event, EvaluationEvent) or event.step == 0:
                continue
            value = _value(event, plan)
            count, kept = count + 1, value if event.better or not count else kept
            if count > known:
                trial.report(kept, count)
                say(f"  evaluation {count}: {plan.metric} {value:.4f}, of the model kept {kept:.4f}")
        if plan.prune and job.is_alive and not job.control.stopped and trial.should_prune():
            say("  falls behind the median; ending it.")
            job.stop()
    return job.state == "stopped"


def _value(event: EvaluationEvent, plan: SweepPlan) -> float:
    value = getattr(event, plan.metric)
    if value is None:
        raise BadSettings(f"The evaluations of this run have no {plan.metric}. Choose another `metric`, such as AP.")
    return float(value)


def _save_and_end(job: Job) -> None:
    """End a job after it has saved its state, so that it can go on from there."""
    try:
        job.pause()
        end = time.monotonic() + SAVE_S
        while job.is_alive and job.state != "paused" and time.monotonic() < end:
            time.sleep(LOOK_S)
            job.poll()
    finally:
        job.kill()


def _remove_checkpoints(job: Job) -> None:
    """Remove what only a trial that goes on needs: two states of the optimiser, and decoded images."""
    for name in STATES:
        (job.folder / name).unlink(missing_ok=True)
    remove_decoded(job.folder)


def _write(study: Study, plan: SweepPlan, say: Callable[[str], None], *, is_drawn: bool = True) -> None:
    """Write table and best run file, and at the end the plot, where matplotlib is installed."""
    rows = rows_of(study, plan)
    write_report(rows, plan, say)
    if is_drawn and rows:
        try:
            draw(plan.out / FIGURE, rows, plan)
        except MissingExtra as error:
            say(f"There is no plot: {error}")
