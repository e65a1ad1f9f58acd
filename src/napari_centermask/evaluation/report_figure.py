"""The figure of an evaluation: AP by IoU and by cell size, the classes of the class map, and AP over the model's training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.evaluation.figures import blank, save
from napari_centermask.evaluation.report import Report
from napari_centermask.evaluation.training_curve import ApPoint, plot_ap

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_report(path: Path, report: Report, points: Sequence[ApPoint] = ()) -> None:
    """Draw the figures of an evaluation.

    Parameters
    ----------
    path
        PNG, SVG or PDF, depending on the suffix.
    points
        AP on the validation images during the training of the model, over time where that is known.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    data = report.to_json()
    figure = blank(11, 8 if points else 4)
    panels = figure.subplots(2 if points else 1, 2 if points else 3).ravel()
    _ap_by_iou(panels[0], data)
    sizes = {f"{name}\nn {row['n']}": row for name, row in data["coco_by_size"].items()}
    _bars(panels[1], sizes, ("AP", "AP50"))
    panels[1].set(title="COCO AP by cell size")
    _bars(panels[2], data["class_map"]["per_class"], ("iou", "dice"))
    panels[2].set(title="Class map")
    if points:
        plot_ap(panels[3], points, over="seconds" if points[-1].seconds is not None else "step")
        panels[3].set(title="Training of the model")
    save(figure, path)


def _ap_by_iou(axes: Axes, data: dict[str, Any]) -> None:
    for label, values in (("cells", data), ("outlines (Boundary IoU)", data["boundary"])):
        known = {float(iou): ap for iou, ap in values["bioimage_ap"].items() if ap is not None}
        axes.plot(list(known), list(known.values()), marker="o", markersize=3, label=label)
    axes.set(title="Bioimage AP", xlabel="IoU", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left", fontsize="small")


def _bars(axes: Axes, rows: dict[str, dict[str, Any]], names: Sequence[str]) -> None:
    """A group of bars for each row, a bar for each name; none where nothing was measured."""
    at, width = np.arange(len(rows)), 0.8 / len(names)
    for number, name in enumerate(names):
        values = [row[name] or 0.0 for row in rows.values()]
        axes.bar(at + number * width, values, width, align="edge", label={"iou": "IoU", "dice": "Dice"}.get(name, name))
    axes.set_xticks(at + 0.4, list(rows))
    axes.set(ylim=(0, 1.02))
    if rows:
        axes.legend(loc="lower left", fontsize="small")
