"""Speed and memory of a model on this machine, by engine and stage, interleaved in one run."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import UserError
from napari_centermask.engines import AnyEngine
from napari_centermask.engines.load import load_engine
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings


class TimedEngine:
    """An engine of any family that notes the seconds its calls take: those of `masks`, and of all others as features."""

    def __init__(self, engine: AnyEngine) -> None:
        self._engine = engine
        self.name, self.device, self.card = engine.name, engine.device, engine.card
        self.precision, self.batch = engine.precision, engine.batch
        self.seconds = {"features": 0.0, "masks": 0.0}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A call of the engine, timed."""
        call = getattr(self._engine, name)

        def timed(*values: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = call(*values, **options)
            self.seconds["masks" if name == "masks" else "features"] += time.perf_counter() - start
            return result

        return timed


@dataclass(frozen=True)
class Row:
    """One engine on one image; times are medians in seconds.

    Attributes
    ----------
    features, masks, rest
        The dense network (of a U-Net, all of it), the heads with RoIAlign, and everything else: reading, normalising,
        decoding or the watershed, NMS, pasting and merging.
    peak_mb
        Largest resident memory during the runs in MiB, of the whole process; None if the system does not report it.
    """

    engine: str
    device: str
    height: int
    width: int
    cells: int
    runs: int
    latency: float
    features: float
    masks: float
    rest: float
    images_per_second: float
    megapixels_per_second: float
    peak_mb: float | None


def machine() -> dict[str, Any]:
    """What ran: processor, cores, system, versions."""
    import importlib.metadata as metadata

    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    versions = {}
    for name in ("torch", "onnxruntime", "onnxruntime-gpu", "openvino", "numpy"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform(), "versions": versions}


def fill(image: np.ndarray, side: int) -> np.ndarray:
    """A (C, side, side) image from mirrored copies of a real one, so that density and texture are kept."""
    height, width = image.shape[1:]
    padding = ((0, 0), (0, max(0, side - height)), (0, max(0, side - width)))
    return np.pad(image, padding, mode="symmetric")[:, :side, :side]


def benchmark(
    model: str | Path,
    images: list[np.ndarray],
    *,
    engines: list[str],
    device: str = "auto",
    runs: int = 5,
    diameter: float | None = None,
    score: float | None = None,
) -> Iterator[Row]:
    """Time engines on images.

    The engines take turns within each round, so that changes in the machine's load affect all alike; one round before
    the first is not counted (warm-up).

    Parameters
    ----------
    images
        (C, H, W) arrays.
    engines
        Names; one that is not installed is an error.
    runs
        Number of timed rounds; medians are reported.
    diameter
        Cell diameter in pixels; by default the model's own, so that no time goes into estimating it.

    Yields
    ------
    Row
        Image by image, engine by engine.
    """
    if runs < 1:
        raise UserError(f"--runs must be at least 1, not {runs}. Use --runs 5.")
    loaded = [TimedEngine(load_engine(model, engine=name, device=device)) for name in engines]
    for image in images:
        options = {"diameter": diameter or loaded[0].card.diameter}
        if score is not None:
            options["score"] = score
        yield from _rounds(image, loaded, SegmentSettings(**options), runs)


def _rounds(image: np.ndarray, engines: list[TimedEngine], settings: SegmentSettings, runs: int) -> Iterator[Row]:
    taken: dict[int, list[tuple[float, float, float]]] = {i: [] for i in range(len(engines))}
    cells: dict[int, int] = {}
    peaks: dict[int, float | None] = {}
    for number in range(runs + 1):
        for i, engine in enumerate(engines):
            engine.seconds = dict.fromkeys(engine.seconds, 0.0)
            _reset_peak()
            start = time.perf_counter()
            cells[i] = len(segment(image, engine, settings))
            total = time.perf_counter() - start
            peaks[i] = max(peaks.get(i) or 0.0, _peak_mb() or 0.0) or None
            if number:
                taken[i].append((total, engine.seconds["features"], engine.seconds["masks"]))
    height, width = image.shape[1:]
    for i, engine in enumerate(engines):
        total, features, masks = (statistics.median(column) for column in zip(*taken[i], strict=True))
        rest = statistics.median(t - f - m for t, f, m in taken[i])
        speed = height * width / 1e6 / total
        yield Row(
            engine.name,
            engine.device,
            height,
            width,
            cells[i],
            runs,
            total,
            features,
            masks,
            rest,
            1 / total,
            speed,
            peaks[i],
        )


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: reset the peak resident size
    except OSError:
        return


def _peak_mb() -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) / 1024 if lines else None


def as_json(rows: list[Row]) -> dict[str, Any]:
    """The machine and all rows."""
    return {"machine": machine(), "rows": [asdict(row) for row in rows]}


def format_rows(rows: list[Row]) -> str:
    """A table for the screen; ratios are to the first engine on the same image."""
    names = ("image", "cells", "ms", "ratio", "dense", "heads", "rest", "rest %", "MP/s", "MiB")
    widths = (12, 7, 9, 7, 8, 8, 8, 8, 7, 8)
    head = f"{'engine':<10}" + "".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    lines = [head]
    first: dict[tuple[int, int], float] = {}
    for r in rows:
        base = first.setdefault((r.height, r.width), r.latency)
        size, peak = f"{r.height}x{r.width}", "-" if r.peak_mb is None else f"{r.peak_mb:.0f}"
        lines.append(
            f"{r.engine:<10}{size:>12}{r.cells:>7}{r.latency * 1e3:>9.0f}{base / r.latency:>7.2f}{r.features * 1e3:>8.0f}"
            f"{r.masks * 1e3:>8.0f}{r.rest * 1e3:>8.0f}{100 * r.rest / r.latency:>8.1f}{r.megapixels_per_second:>7.2f}{peak:>8}"
        )
    return "\n".join(lines)
