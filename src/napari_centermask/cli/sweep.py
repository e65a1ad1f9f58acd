"""`sweep`: train a run file with different settings, one trial after another, and find the best."""

from __future__ import annotations

from pathlib import Path

from napari_centermask.cli.output import check_writable, notice, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.jobs.sweep.plan import read_plan
from napari_centermask.jobs.sweep.report import BEST, FIGURE, TABLE, as_json, as_text, best_of
from napari_centermask.jobs.sweep.run import run_sweep
from napari_centermask.training.data.checks import check_data


def sweep(plan: Path, /, *, dry_run: Flag = False, json: Flag = False) -> int:
    """Train a run file with different settings, and find the best; a trial that falls behind the others is ended early.

    What has been reached is kept when you interrupt it; the same command goes on from there. The folder `out` of the plan has the
    trials as run folders, the table trials.csv, the plot sweep.png and the run file best.json. docs/training.md has the plan.

    For example:

      napari-centermask sweep plan.json

      napari-centermask sweep plan.json --dry-run

    Parameters
    ----------
    plan
        JSON file such as {"run": "run.json", "out": "sweep", "trials": 20,
        "search": {"learning_rate": {"low": 1e-5, "high": 1e-2, "log": true}, "schedule": ["cosine", "one-cycle"]}}.
    dry_run
        Only check the plan and its run file.
    json
        Print the trials as JSON.
    """
    checked, settings = read_plan(plan)
    check_writable([checked.out / TABLE], inputs=[plan, checked.run])
    for note in check_data(settings):
        notice(note)
    if dry_run:
        print_json(checked.model_dump(mode="json")) if json else print(
            f"{checked.trials} trials of {settings.steps:,} steps over {', '.join(checked.search)}, judged by {checked.metric}."
        )
        return 0
    rows = run_sweep(checked, settings, notice)
    best = best_of(rows)
    model = None if best is None else best.folder / "best.safetensors"
    if json:
        print_json({"best": None if best is None else best.number, "model": model, "trials": as_json(rows)})
        return 0
    print(as_text(rows, checked))
    if best is not None:
        settings_of_best = f", its settings {checked.out / BEST}" if (best.folder / "run.json").exists() else ""
        print(f"\nTrial {best.number} is the best, its model {model}{settings_of_best}.")
    print(f"Table and plot: {checked.out / TABLE}, {checked.out / FIGURE}")
    return 0
