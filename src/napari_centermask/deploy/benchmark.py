"""Speed and memory of a model on this machine, by engine and stage, interleaved in one run."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import UserError
from napari_centermask.deploy.memory import peak_mb, reset_peak
from napari_centermask.engines import AnyEngine
from napari_centermask.engines.gpu_memory import GpuPeak, used_mb
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.machine import RUNTIMES, cpu_name, gpu_names, versions
from napari_centermask.engines.several import Several, workers_of
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings


class TimedEngine:
    """An engine of any family that notes the seconds its calls take: those of `masks`, and of all others as features."""

    def __init__(self, engine: AnyEngine) -> None:
        self._engine = engine
        self.name, self.device, self.card = engine.name, engine.device, engine.card
        self.precision, self.batch = engine.precision, engine.batch
        self.reset()

    def reset(self) -> None:
        """Begin to count again."""
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


class TimedSeveral(Several):
    """Devices that share the tiles, as they do when they are not timed."""

    def __init__(self, engines: Sequence[AnyEngine]) -> None:
        self._timed = [TimedEngine(engine) for engine in engines]
        super().__init__(tuple(self._timed))

    def reset(self) -> None:
        """Begin to count again."""
        for engine in self._timed:
            engine.reset()

    @property
    def seconds(self) -> dict[str, float]:
        """Means of the devices', which work at the same time."""
        each = [engine.seconds for engine in self._timed]
        return {name: statistics.fmean(seconds[name] for seconds in each) for name in each[0]}


def timed(engine: AnyEngine) -> TimedEngine | TimedSeveral:
    """An engine that notes the seconds of its calls, on one device or several."""
    workers = workers_of(engine)
    return TimedEngine(engine) if len(workers) == 1 else TimedSeveral(workers)


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
    gpu_mb
        Most memory in use on the NVIDIA GPUs during the runs beyond that before the engines were loaded, MiB; None without.
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
    gpu_mb: float | None = None


def machine() -> dict[str, Any]:
    """What ran: processor, cores, GPUs, system, versions."""
    names = {"cpu": cpu_name(), "cores": os.cpu_count(), "system": platform.platform()}
    gpus = {"gpus": gpu_names()} if gpu_names() else {}
    return names | gpus | {"versions": versions((*RUNTIMES, "numpy"))}


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
    precision: str = "float32",
    batch: int | None = None,
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
    before = used_mb()
    options: dict[str, Any] = {"device": device, "precision": precision, "batch": batch}
    loaded = [timed(load_engine(model, engine=name, **options)) for name in engines]
    for image in images:
        given = {} if score is None else {"score": score}
        settings = SegmentSettings(diameter=diameter or loaded[0].card.diameter, **given)
        yield from take_turns(image, loaded, settings, runs, before)


def take_turns(
    image: np.ndarray,
    engines: Sequence[TimedEngine | TimedSeveral],
    settings: SegmentSettings,
    runs: int,
    gpu_before: float | None = None,
) -> Iterator[Row]:
    """Time engines on an image (C, H, W), one after another in each round; the first round is not counted."""
    taken: dict[int, list[tuple[float, float, float]]] = {i: [] for i in range(len(engines))}
    cells: dict[int, int] = {}
    peaks: dict[int, float | None] = {}
    gpu: dict[int, float] = {}
    for number in range(runs + 1):
        for i, engine in enumerate(engines):
            engine.reset()
            reset_peak()
            with GpuPeak() as used:
                start = time.perf_counter()
                cells[i] = len(segment(image, engine, settings))
                total = time.perf_counter() - start
            if used.most_mb is not None:
                gpu[i] = max(gpu.get(i, 0.0), used.most_mb - (gpu_before or 0.0))
            peaks[i] = max(peaks.get(i) or 0.0, peak_mb() or 0.0) or None
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
            gpu.get(i),
        )


def as_json(rows: list[Row]) -> dict[str, Any]:
    """The machine and all rows."""
    return {"machine": machine(), "rows": [asdict(row) for row in rows]}


def format_rows(rows: list[Row]) -> str:
    """A table for the screen; ratios are to the first engine on the same image."""
    names = ("image", "cells", "ms", "ratio", "dense", "heads", "rest", "rest %", "MP/s", "MiB", "GPU MiB")
    widths = (12, 7, 9, 7, 8, 8, 8, 8, 7, 8, 9)
    head = f"{'engine':<10}" + "".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    lines = [head]
    first: dict[tuple[int, int], float] = {}
    for r in rows:
        base = first.setdefault((r.height, r.width), r.latency)
        size = f"{r.height}x{r.width}"
        peak, gpu = ("-" if value is None else f"{value:.0f}" for value in (r.peak_mb, r.gpu_mb))
        times = (r.latency * 1e3, base / r.latency, r.features * 1e3, r.masks * 1e3, r.rest * 1e3)
        total, ratio, dense, heads, rest = times
        lines.append(
            f"{r.engine:<10}{size:>12}{r.cells:>7}{total:>9.0f}{ratio:>7.2f}{dense:>8.0f}{heads:>8.0f}{rest:>8.0f}"
            f"{100 * r.rest / r.latency:>8.1f}{r.megapixels_per_second:>7.2f}{peak:>8}{gpu:>9}"
        )
    return "\n".join(lines)
