"""The table of a compression: a row for each step, with a plot of speed against AP and a recommendation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.counted import counted
from napari_centermask.deploy import benchmark
from napari_centermask.deploy.compress.judge import Scores
from napari_centermask.engines.gpu_memory import used_mb
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.figures import blank, save
from napari_centermask.models.store.zoo import ModelFiles
from napari_centermask.settings import SegmentSettings

FILES = TEXT, JSON, PLOT = "table.txt", "table.json", "speed.png"
"""In the folder of the results."""
FEW = 10
"""Images below which the recommendation says that they are few: a choice."""


@dataclass(frozen=True)
class Row:
    """A step of a compression; times are medians of rounds in which all steps take turns.

    Attributes
    ----------
    megabytes
        Of the graphs.
    parameters, gflops
        Of the graphs; of the graph of an image on a tile of 512 x 512.
    latency_ms, images_per_second
        Of an image of 512 x 512 pixels at the model's own cell size, from array to cells.
    memory_mb
        Largest resident memory during the runs, of the whole process; None if the system does not report it.
    gpu_mb
        Most memory in use on the GPUs meanwhile, beyond that before; None without.
    loss
        Of AP50, from the start model; None where there is no AP.
    accepted
        Whether the loss is.
    """

    step: str
    megabytes: float
    parameters: int
    gflops: float
    latency_ms: float
    images_per_second: float
    memory_mb: float | None
    gpu_mb: float | None
    scores: Scores
    loss: float | None
    accepted: bool


@dataclass(frozen=True)
class Speed:
    """See `Row`."""

    latency_ms: float
    memory_mb: float | None
    gpu_mb: float | None


def time_models(
    models: Sequence[ModelFiles], image: np.ndarray, *, engine: str, device: str = "cpu", runs: int = 7
) -> list[Speed]:
    """Time models on an image (C, H, W), one after another in each round, so that the machine's load affects all alike.

    The first round is not counted.
    """
    square, before = benchmark.fill(image, 512), used_mb()
    engines = [load_engine(model, engine=engine, device=device, precision="float32") for model in models]
    settings = SegmentSettings(diameter=engines[0].card.diameter)
    rows = list(benchmark.take_turns(square, [benchmark.timed(one) for one in engines], settings, runs, before))
    return [Speed(row.latency * 1e3, row.peak_mb, row.gpu_mb) for row in rows]


def as_text(rows: Sequence[Row]) -> str:
    """A table for the screen and for notes; speed is relative to the first row."""
    names = (
        "MB",
        "M param.",
        "GFLOP",
        "ms",
        "speed",
        "img/s",
        "MiB",
        "GPU MiB",
        "AP50",
        "mean AP",
        "COCO AP",
        "same .5",
        "same .9",
    )
    first = max(len(row.step) for row in rows) + 2
    lines = [f"{'step':<{first}}" + "".join(f"{name:>10}" for name in names)]
    for row in rows:
        s = row.scores
        memory = ["-" if v is None else f"{v:.0f}" for v in (row.memory_mb, row.gpu_mb)]
        cells = [f"{row.megabytes:.2f}", f"{row.parameters / 1e6:.2f}", f"{row.gflops:.1f}", f"{row.latency_ms:.0f}"]
        cells += [f"{rows[0].latency_ms / row.latency_ms:.2f}", f"{row.images_per_second:.2f}", *memory]
        cells += ["-" if v is None else f"{v:.3f}" for v in (s.ap50, s.ap_mean, s.coco_ap, s.same50, s.same90)]
        lines.append(
            f"{row.step:<{first}}"
            + "".join(f"{cell:>10}" for cell in cells)
            + ("" if row.accepted else "  not accepted")
        )
    return "\n".join(lines)


def recommended(rows: Sequence[Row]) -> tuple[int, str]:
    """The number of the fastest row whose loss is accepted, and the sentence that says so."""
    good = [n for n, row in enumerate(rows) if row.accepted]
    best = min(good, key=lambda n: rows[n].latency_ms)
    start, row = rows[0], rows[best]
    if best == 0:
        return 0, f"Keep '{start.step}' as it is: no step makes it faster within the accepted loss."
    if row.loss is None:
        loss = "AP50 was not measured"
    else:
        loss = f"AP50 changes by {-row.loss:+.3f}" if round(row.loss, 3) else "AP50 stays the same"
    return best, (
        f"Use '{row.step}': {start.latency_ms / row.latency_ms:.1f} times as fast, "
        f"{100 * row.megabytes / start.megabytes:.0f} % of the size, {loss}.{_judged_on(row.scores.images)}"
    )


def _judged_on(images: int) -> str:
    """On how many images, with a warning of few; a sentence after a space, empty if the number is not known."""
    few = ": few, so judge it on more before you rely on it" if images < FEW else ""
    return f" It was judged on {counted(images, 'image')}{few}." if images else ""


def as_json(rows: Sequence[Row], sentence: str) -> dict[str, Any]:
    """Everything that was measured, and on what machine."""
    return {"machine": benchmark.machine(), "recommendation": sentence, "rows": [asdict(row) for row in rows]}


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Draw AP50 over images per second, a dot for each step.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    figure = blank(6, 4.5)
    axes = figure.subplots()
    for row in rows:
        at = row.images_per_second, row.scores.ap50 or 0.0
        axes.scatter(*at, s=20 + 8 * row.megabytes, alpha=0.6, color="tab:blue" if row.accepted else "tab:red")
        axes.annotate(row.step, at, xytext=(6, 6), textcoords="offset points", fontsize="small")
    axes.set(
        title="Speed against AP (dot: size on disk, red: not accepted)",
        xlabel="images of 512 x 512 per second",
        ylabel="AP50",
    )
    axes.margins(0.2)
    axes.grid(alpha=0.3)
    save(figure, path)
