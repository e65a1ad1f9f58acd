"""Make a model fast on this computer: measure what can run it on a person's own images, and choose.

First every engine with every precision, then threads and devices that share the tiles, then tiles at once; what is measured
together takes turns, so that other work on the machine slows all alike.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from napari_centermask.core.errors import UserError
from napari_centermask.core.instances import Instance
from napari_centermask.deploy.candidate import Candidate, Run
from napari_centermask.engines.devices import IN_NAPARI, PACKAGES, count_gpus, torch_has_cuda
from napari_centermask.engines.fastest import AGREEMENT, Measured, choose
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.machine import n_cores
from napari_centermask.engines.onnx import import_runtime, precisions_of
from napari_centermask.engines.providers import MOST_TILES, offered_devices
from napari_centermask.engines.runtime import Precision, Runtime, devices_of, split_device, usual_batch
from napari_centermask.evaluation.matching import match, pair
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.zoo import ModelFiles
from napari_centermask.pipeline import Progress, estimate_diameter
from napari_centermask.pipeline.segmentation import most_at_once
from napari_centermask.settings import SegmentSettings

IOU = 0.9
"""Of two masks that are the same cell."""
_BATCHES = {True: (1, 2, 4), False: (1, 2, 4, 8, 16)}  # on a CPU, and on others; choices


@dataclass(frozen=True)
class Picked:
    """What was measured.

    Attributes
    ----------
    rows
        The fastest first.
    chosen
        The fastest that agrees well enough.
    left_out
        What could not run, with the reason.
    """

    rows: tuple[Measured, ...]
    chosen: Measured | None
    left_out: tuple[str, ...]


def pick(
    files: ModelFiles,
    images: Sequence[np.ndarray],
    settings: SegmentSettings,
    *,
    engines: Iterable[str] | None = None,
    runs: int = 3,
    agreement: float = AGREEMENT,
) -> Generator[Progress, None, Picked]:
    """Measure a model on some images, yielding between runs.

    Parameters
    ----------
    images
        (C, H, W) arrays.
    settings
        For all; a diameter that is not given is estimated once for each image.
    engines
        Names; by default all that are installed.
    runs
        Rounds of each step; medians count.
    agreement
        Least F1 at IoU 0.9 with the cells of float32.

    Raises
    ------
    UserError
        If nothing can run, or float32 finds no cell to compare with.
    """
    if runs < 1:
        raise UserError(f"--runs must be at least 1, not {runs}. Use --runs 3.")
    first = runtimes_here(files, engines)
    yield Progress(0, 3, "Estimating the cell diameter")
    measuring = _Measuring(files, images, _with_diameters(files, images, settings), runs)
    yield from measuring.step(first, "engine", 0)
    leaders, n_tiles = _leaders(measuring.rows, agreement), measuring.most_tiles(files.card)
    yield from measuring.step([v for leader in leaders for v in _with_threads(leader, n_tiles)], "threads", 1)
    leaders = _leaders(measuring.rows, agreement)
    yield from measuring.step([v for leader in leaders for v in _with_batches(leader, n_tiles)], "batch", 2)
    rows = tuple(sorted(measuring.rows.values(), key=lambda row: row.seconds))
    return Picked(rows, choose(rows, agreement), tuple(measuring.left_out))


def _with_diameters(
    files: ModelFiles, images: Sequence[np.ndarray], settings: SegmentSettings
) -> list[SegmentSettings]:
    """Settings for each image, so that all runtimes look at the same pixels."""
    if settings.diameter is not None:
        return [settings] * len(images)
    engine = load_engine(files, engines=())
    diameters = [estimate_diameter(image, engine, settings) for image in images]
    return [SegmentSettings(**(settings.model_dump(exclude_unset=True) | {"diameter": d})) for d in diameters]


def runtimes_here(files: ModelFiles, engines: Iterable[str] | None = None) -> list[Runtime]:
    """Every installed engine with its devices and precisions; float32 on the CPU, the most exact, first.

    Raises
    ------
    UserError
        If there is none.
    """
    wanted = set(PACKAGES if engines is None else engines)
    there = [name for name, package in PACKAGES.items() if name in wanted and find_spec(package) is not None]
    found: list[Runtime] = []
    for name in there:
        if (files.weights if name == "torch" else files.graphs) is not None:
            found += [Runtime(name, d, p, batch=usual_batch(d)) for d, p in _ways(name)]
    if not found:
        raise UserError(f"No engine can run '{files.name}' here. Find the reason with: napari-centermask doctor")
    return sorted(found, key=lambda r: (r.precision != "float32", r.device != "cpu", r.engine != "torch"))


def _ways(engine: str) -> list[tuple[str, Precision]]:
    """Devices and precisions of an engine; those that turn out not to work are left out when they are tried."""
    if engine == "openvino":
        from napari_centermask.engines.openvino import precisions_here

        return [("cpu", p) for p in precisions_here()]
    if engine == "onnx":
        return [(kind, p) for kind in offered_devices(import_runtime()) for p in precisions_of(kind)]
    gpus: list[tuple[str, Precision]] = [("cuda", "float32"), ("cuda", "bfloat16"), ("cuda", "float16")]
    has_gpu = count_gpus() > 0
    if engine == "tensorrt":
        return gpus if has_gpu else []
    ways: list[tuple[str, Precision]] = [("cpu", "float32"), ("cpu", "bfloat16")]
    if sys.platform == "darwin":
        ways += [("mps", "float32"), ("mps", "float16")]
    return ways + (gpus if has_gpu and torch_has_cuda() else [])


def _leaders(rows: dict[Runtime, Measured], agreement: float) -> list[Runtime]:
    """The fastest so far, and the fastest that napari can use, which must do without torch."""
    in_napari = [row for row in rows.values() if row.runtime.engine in IN_NAPARI]
    both = (choose(list(rows.values()), agreement), choose(in_napari, agreement))
    return list(dict.fromkeys(row.runtime for row in both if row is not None))


def _with_threads(runtime: Runtime, n_tiles: int) -> list[Runtime]:
    """With half of the cores (one thread for each, where a core shows as two), and shared by two workers or all GPUs.

    A single tile cannot be shared.
    """
    if runtime.device == "cpu":
        half = n_cores() // 2
        if not half:
            return []
        shared = [replace(runtime, threads=half, device="cpu,cpu")] if n_tiles > 1 else []
        return [runtime, replace(runtime, threads=half), *shared]
    n = count_gpus()
    if runtime.device in ("cuda", "tensorrt") and n > 1 and n_tiles > 1:
        return [runtime, replace(runtime, device=",".join(f"{runtime.device}:{k}" for k in range(n)))]
    return []


def _with_batches(runtime: Runtime, n_tiles: int) -> list[Runtime]:
    """With the numbers of tiles at once that differ where at most `n_tiles` can go together."""
    devices = devices_of(runtime.device)
    together = -(-n_tiles // len(devices))
    if "tensorrt" in (runtime.engine, split_device(devices[0])[0]):
        together = min(together, MOST_TILES)
    usual = min(runtime.batch, together)
    differ = [n for n in _BATCHES[runtime.device.startswith("cpu")] if n < 2 * together and min(n, together) != usual]
    return [runtime, *(replace(runtime, batch=n) for n in differ)]


class _Measuring:
    """What was measured so far; `rows` has the runtimes with their times relative to the first step."""

    def __init__(
        self, files: ModelFiles, images: Sequence[np.ndarray], settings: Sequence[SegmentSettings], runs: int
    ) -> None:
        self._model = str(files.paths[0])
        self._images, self._settings, self._runs = images, settings, runs
        self._truth: tuple[tuple[Instance, ...], ...] | None = None
        self.rows: dict[Runtime, Measured] = {}
        self.left_out: list[str] = []

    def most_tiles(self, card: ModelCard) -> int:
        """The largest number of tiles of an image that can go through the network together."""
        pairs = zip(self._images, self._settings, strict=True)
        return max((most_at_once(image, card, settings) for image, settings in pairs), default=1)

    def step(self, runtimes: Sequence[Runtime], title: str, number: int) -> Generator[Progress, None, None]:
        """Measure some runtimes in turns; one that was measured before ties their times to those of earlier steps."""
        if number and all(runtime in self.rows for runtime in runtimes):
            return
        taken: dict[Runtime, list[Run]] = {}
        with ExitStack() as stack:
            candidates = [
                stack.enter_context(closing(Candidate(self._model, r, self._images, self._settings))) for r in runtimes
            ]
            for candidate in candidates:  # all, as loading would slow what is measured meanwhile
                yield Progress(number, 3, f"Loading {candidate.runtime}")
                candidate.load()
            total = self._runs * len(candidates)
            for done in range(total):
                candidate = candidates[done % len(candidates)]
                yield Progress(number + done / total, 3, f"Measuring the {title}: {candidate.runtime}")
                run = candidate.run()
                if run is not None:
                    taken.setdefault(candidate.runtime, []).append(run)
            self.left_out += [f"{c.runtime}: {c.why_not}" for c in candidates if c.why_not]
        self._note(taken)

    def _note(self, taken: dict[Runtime, list[Run]]) -> None:
        if self._truth is None:
            self._truth = _float32(taken)
        seconds = {runtime: statistics.median(run.seconds for run in runs) for runtime, runs in taken.items()}
        known = [self.rows[runtime].seconds / s for runtime, s in seconds.items() if runtime in self.rows]
        scale = statistics.median(known) if known else 1.0
        for runtime, runs in taken.items():
            if runtime not in self.rows:
                last = runs[-1]
                agreement = agreement_of(self._truth, last.cells)
                self.rows[runtime] = Measured(
                    runtime, seconds[runtime] * scale, agreement, most(runs, "memory_mb"), most(runs, "gpu_mb")
                )


def most(runs: Sequence[Run], name: str) -> float | None:
    """The largest of a figure that may be unknown; None where it is in all runs."""
    known = [value for run in runs if (value := getattr(run, name)) is not None]
    return max(known, default=None)


def _float32(taken: dict[Runtime, list[Run]]) -> tuple[tuple[Instance, ...], ...]:
    """The cells that others are compared with."""
    cells = next((runs[0].cells for runtime, runs in taken.items() if runtime.precision == "float32"), None)
    if cells is None:
        raise UserError("No engine runs here in float32. Find the reason with: napari-centermask doctor")
    if not any(cells):
        raise UserError(
            "The model finds no cell in these images, so engines cannot be compared. "
            "Choose images with cells, or a lower --score."
        )
    return cells


def agreement_of(truth: Sequence[Sequence[Instance]], found: Sequence[Sequence[Instance]]) -> float:
    """F1 of the cells of all images together, at `IOU`."""
    matched = sum(len(match(pair(list(a), list(b)), IOU)[0]) for a, b in zip(truth, found, strict=True))
    n = sum(map(len, truth)) + sum(map(len, found))
    return 2 * matched / n if n else 1.0


def format_picked(picked: Picked) -> str:
    """A table for the screen; ratios are to the fastest in float32."""
    slow = next((row for row in picked.rows if row.runtime.precision == "float32"), picked.rows[0])
    lines = [f"{'':<2}{'runtime':<58}{'s':>8}{'ratio':>7}{'F1 at IoU 0.9':>15}{'MiB':>7}{'GPU MiB':>9}"]
    for row in picked.rows:
        memory, gpu = ("-" if v is None else f"{v:.0f}" for v in (row.memory_mb, row.gpu_mb))
        mark = "*" if row == picked.chosen else ""
        lines.append(
            f"{mark:<2}{row.runtime!s:<58}{row.seconds:>8.2f}{slow.seconds / row.seconds:>7.2f}{row.agreement:>15.4f}"
            f"{memory:>7}{gpu:>9}"
        )
    return "\n".join([*lines, *(f"Left out: {why}" for why in picked.left_out)])
