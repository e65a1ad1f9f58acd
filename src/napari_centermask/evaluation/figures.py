"""Figures drawn by matplotlib without a window: the curves of an evaluation of viability, and what all figures share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_centermask.core.errors import MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.evaluation.viability import Judged, curves_of
from napari_centermask.io.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_curves(path: Path, methods: dict[str, Judged], *, positive: str) -> None:
    """Draw ROC, precision-recall and calibration curves of one category, a line for each method.

    Parameters
    ----------
    path
        PNG, SVG or PDF, depending on the suffix.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    figure = blank(12, 4.2)
    left, middle, right = figure.subplots(1, 3)
    for name, judged in methods.items():
        if len(set(judged.truth.tolist())) < 2:
            continue
        curves = curves_of(judged, positive)
        left.plot(curves["roc"].x, curves["roc"].y, label=name)
        middle.step(curves["precision_recall"].x, curves["precision_recall"].y, where="pre", label=name)
        points = curves["calibration"]
        (line,) = right.plot(points.predicted, points.observed, linewidth=0.8, label=name)
        right.scatter(points.predicted, points.observed, s=10 + 2 * points.count, color=line.get_color(), alpha=0.7)
    for axes in (left, right):
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle="--", zorder=0)
    titles = (
        (left, "ROC", f"false '{positive}' of all others", f"'{positive}' found"),
        (middle, "Precision and recall", f"recall of '{positive}'", "precision"),
        (right, "Calibration", f"probability of '{positive}'", "observed frequency (dot size: cells)"),
    )
    for axes, title, x, y in titles:
        axes.set(title=title, xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    left.legend(loc="lower right", fontsize="small")
    save(figure, path)


def blank(width: float, height: float) -> Figure:
    """A figure of a size in inches.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra(f"Drawing figures needs matplotlib: {how_to_install('figures')}") from error
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, SVG or PDF, depending on the suffix; the same figure gives the same file."""
    kind = path.suffix.lower().removeprefix(".") or "png"
    with whole_file(path) as part:
        figure.savefig(part, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else None)
