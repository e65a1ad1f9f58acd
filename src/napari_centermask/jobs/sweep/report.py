"""What a sweep has found: its trials as a table and a plot, and the run file of the best one."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_centermask.evaluation.figures import blank, save
from napari_centermask.io.whole_file import whole_file
from napari_centermask.jobs.sweep.plan import Range, SweepPlan
from napari_centermask.jobs.sweep.study import chosen, folder_of
from napari_centermask.settings import TrainSettings

if TYPE_CHECKING:
    from optuna import Study

TABLE, FIGURE, BEST = "trials.csv", "sweep.png", "best.json"
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "unfinished"}
_PANELS = 6  # settings with a plot of their own: a choice, two rows of a figure


@dataclass(frozen=True)
class Row:
    """A trial.

    Attributes
    ----------
    number
        From 1, as its folder is called.
    state
        complete, pruned, failed or unfinished.
    value
        Of the metric, of the model that it kept; None before its first evaluation.
    curve
        The same after each evaluation.
    note
        Why it failed.
    """

    number: int
    state: str
    value: float | None
    minutes: float | None
    values: dict[str, Any]
    folder: Path
    curve: tuple[float, ...] = field(default=(), repr=False)
    note: str = ""


def rows_of(study: Study, plan: SweepPlan) -> list[Row]:
    """The trials in their order."""
    rows = []
    for trial in study.trials:
        curve = tuple(value for _, value in sorted(trial.intermediate_values.items()))
        value = trial.value if trial.value is not None else (curve[-1] if curve else None)
        minutes = None if trial.duration is None else round(trial.duration.total_seconds() / 60, 2)
        note = trial.user_attrs.get("error", "")
        values, folder = chosen(trial.params, plan), folder_of(plan, trial.number)
        rows.append(Row(trial.number + 1, _STATES[trial.state.name], value, minutes, values, folder, curve, note))
    return rows


def best_of(rows: Sequence[Row]) -> Row | None:
    """The best of the complete trials; the first of equals."""
    complete = [row for row in rows if row.state == "complete" and row.value is not None]
    return max(complete, key=lambda row: row.value, default=None)


def write_report(rows: Sequence[Row], plan: SweepPlan, say: Callable[[str], None]) -> None:
    """Write the table, and the run file of the best trial, which trains in the folder `best`.

    Parameters
    ----------
    say
        Called with what to do if the folder of the best trial is gone or damaged; an earlier run file stays then.

    Raises
    ------
    CannotSave
        If the folder cannot be written.
    """
    with whole_file(plan.out / TABLE) as part, part.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["trial", "state", plan.metric, "minutes", *plan.search, "note"])
        for row in rows:
            values = [_plain(row.values.get(name)) for name in plan.search]
            table.writerow([row.number, row.state, row.value, row.minutes, *values, row.note])
    if (best := best_of(rows)) is not None:
        try:
            _write_best(best, plan)
        except (FileNotFoundError, ValueError) as error:
            why = "is damaged" if isinstance(error, ValueError) else "is gone"
            say(
                f"The run file of the best trial, {best.folder / 'run.json'}, {why}, so there is no new {BEST}. Put it back and "
                f"run the sweep again, or take the values of trial {best.number} from {TABLE}."
            )


def _write_best(best: Row, plan: SweepPlan) -> None:
    run = json.loads((best.folder / "run.json").read_text(encoding="utf-8"))
    run |= {"out": str(plan.out.expanduser().resolve() / "best"), "resume": False}
    text = TrainSettings.model_validate(run).model_dump_json(indent=1)
    with whole_file(plan.out / BEST) as part:
        part.write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value)


def as_text(rows: Sequence[Row], plan: SweepPlan) -> str:
    """The trials as a table for the screen, the best first."""
    order = sorted(rows, key=lambda row: (row.state != "complete", -(row.value if row.value is not None else -1)))
    cells = [["trial", "state", plan.metric, "minutes", *plan.search]]
    for row in order:
        value, minutes = ("-" if x is None else f"{x:.{digits}f}" for x, digits in ((row.value, 4), (row.minutes, 1)))
        values = (row.values.get(name) for name in plan.search)
        cells.append([str(row.number), row.state, value, minutes, *(_short(value) for value in values)])
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join("  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(_plain(value))


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The trials as plain values."""
    return [asdict(row) | {"folder": str(row.folder)} for row in rows]


def draw(path: Path, rows: Sequence[Row], plan: SweepPlan) -> None:
    """Draw the metric over the trials, over their evaluations, and over each of the settings.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    names = list(plan.search)[:_PANELS]
    n_rows = -(-(2 + len(names)) // 3)
    figure = blank(12, 3.4 * n_rows)
    over_trials, over_evaluations, *panels = figure.subplots(n_rows, 3, squeeze=False).flat
    known = [row for row in rows if row.value is not None]
    for state, marker, colour in (("complete", "o", "tab:blue"), ("pruned", "x", "0.5"), ("failed", "v", "tab:red")):
        some = [row for row in known if row.state == state]
        style = {"marker": marker, "color": colour, "linestyle": "none", "label": state}
        over_trials.plot([row.number for row in some], [row.value for row in some], **style)
        for axes, name in zip(panels, names, strict=False):
            axes.plot([_place(row.values[name]) for row in some], [row.value for row in some], **style)
        for row in some:
            over_evaluations.plot(range(1, len(row.curve) + 1), row.curve, color=colour, alpha=0.6)
    over_trials.set(xlabel="trial", ylabel=plan.metric)
    over_trials.legend(fontsize="small")
    over_evaluations.set(xlabel="evaluation", ylabel=f"{plan.metric} of the model kept")
    for axes, name in zip(panels, names, strict=False):
        values = plan.search[name]
        axes.set(
            xlabel=name, ylabel=plan.metric, xscale="log" if isinstance(values, Range) and values.log else "linear"
        )
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    save(figure, path)


def _place(value: Any) -> Any:
    """Where a value is on an axis: numbers as they are, others by their names."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else json.dumps(value)
