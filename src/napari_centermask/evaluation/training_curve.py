"""AP on the validation images over the steps and the time of a training: points, table and figure."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.evaluation.figures import blank, save
from napari_centermask.io.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
AP_TABLE, AP_FIGURE = "ap.csv", "ap.png"
"""Files in a run folder."""


@dataclass(frozen=True)
class ApPoint:
    """An evaluation during a training.

    Attributes
    ----------
    seconds
        Of training until then, evaluations not counted; None where it was not recorded.
    AP, AP50
        On the validation images.
    AP_known
        On images like those of the start model.
    """

    step: int
    seconds: float | None = None
    AP: float | None = None
    AP50: float | None = None
    AP_known: float | None = None


def ap_points(rows: Sequence[Mapping[str, Any]]) -> list[ApPoint]:
    """The evaluations among the rows that a run records and a card keeps as `training["curves"]`.

    Rows of losses have the seconds of training too; where an evaluation has none, they are interpolated.
    """
    clock = np.array([(0, 0), *((row["step"], row["seconds"]) for row in rows if "AP" not in row and "seconds" in row)])
    points = []
    for row in rows:
        if "AP" not in row or not isinstance(row.get("step"), int):
            continue
        seconds = row.get("training_seconds")
        if seconds is None and len(clock) > 1:
            seconds = float(np.interp(row["step"], clock[:, 0], clock[:, 1]))
        points.append(ApPoint(row["step"], seconds, *(row.get(name) for name in ("AP", "AP50", "AP_known"))))
    return points


def thinned(rows: Sequence[Mapping[str, Any]], *, most: int = 200) -> list[Mapping[str, Any]]:
    """About so many rows of the losses, and all evaluations; 200 are a choice, as many as a plot shows apart."""
    step = max(1, len(rows) // most)
    return [row for number, row in enumerate(rows) if "AP" in row or number % step == 0]


def write_csv(path: Path, points: Sequence[ApPoint]) -> None:
    """Write the points as a table, one line for each evaluation; what was not measured is empty."""
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, [field.name for field in fields(ApPoint)])
        table.writeheader()
        table.writerows(asdict(point) for point in points)


def draw_ap(path: Path, points: Sequence[ApPoint]) -> None:
    """Draw AP against steps and, where it is known, against time.

    Parameters
    ----------
    path
        PNG, SVG or PDF, depending on the suffix.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    figure = blank(10, 4)
    left, right = figure.subplots(1, 2, sharey=True)
    plot_ap(left, points, over="step")
    plot_ap(right, points, over="seconds")
    save(figure, path)


def plot_ap(axes: Axes, points: Sequence[ApPoint], *, over: str) -> None:
    """Plot AP over "step" or over "seconds", in minutes."""
    known = [point for point in points if getattr(point, over) is not None]
    unit, title = (60, "minutes of training") if over == "seconds" else (1, "steps")
    for name, label in (("AP", "AP"), ("AP50", "AP50"), ("AP_known", "AP known")):
        some = [point for point in known if getattr(point, name) is not None]
        if some:
            x, y = ([getattr(point, key) for point in some] for key in (over, name))
            axes.plot(np.array(x) / unit, y, marker="o", markersize=3, label=label)
    axes.set(xlabel=title if known else f"{title} (not recorded)", ylabel="AP on the validation images", ylim=(0, 1))
    axes.grid(alpha=0.3)
    if known:
        axes.legend(loc="lower right", fontsize="small")
