"""Which runtime was the fastest for a model on this computer: measured by `benchmark --pick`, remembered, and used as "auto"."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import CannotSave
from napari_centermask.engines.cache_folder import cache_folder, fingerprint
from napari_centermask.engines.machine import machine_name
from napari_centermask.engines.runtime import Runtime
from napari_centermask.io.whole_file import cannot_save, whole_file
from napari_centermask.models.store.zoo import ModelFiles

AGREEMENT = 0.98
"""Least agreement with float32, F1 at IoU 0.9, of what is used by default: two cells of a hundred may differ. bfloat16 has 0.99
and more (docs/benchmarks.md, "Make it fast on this computer")."""
_NEAR = (
    0.9  # of two that are this near in speed, the plainer is taken; a choice, more than the noise of a quiet machine
)
_FOLDER = "fastest"


@dataclass(frozen=True)
class Measured:
    """One runtime on some images.

    Attributes
    ----------
    seconds
        For all images together, median of the rounds.
    agreement
        F1 at IoU 0.9 with the cells of float32; 1 is equality.
    memory_mb
        Largest resident memory of the process, MiB; None if unknown.
    gpu_mb
        Memory that it took of the GPU, MiB; None without.
    """

    runtime: Runtime
    seconds: float
    agreement: float
    memory_mb: float | None = None
    gpu_mb: float | None = None


def choose(rows: Sequence[Measured], agreement: float = AGREEMENT) -> Measured | None:
    """The fastest of those that agree well enough, or a plainer one that is about as fast; None if none agrees."""
    good = [row for row in rows if row.agreement >= agreement]
    if not good:
        return None
    least = min(row.seconds for row in good)
    near = [row for row in good if row.seconds * _NEAR <= least]
    return min(near, key=lambda row: (_specials(row.runtime), row.seconds))


def _specials(runtime: Runtime) -> int:
    """In how many ways a runtime is special: torch takes seconds to import, and shorter numbers round."""
    on_cpu = runtime.device.startswith("cpu")
    ways = (runtime.engine == "torch", runtime.precision != "float32", runtime.threads is not None)
    return sum((*ways, "," in runtime.device, on_cpu and runtime.batch > 1))


def remember(files: ModelFiles, rows: Sequence[Measured], agreement: float) -> Path:
    """Keep what was measured for a model on this computer, in place of what was known; returns the file.

    Raises
    ------
    CannotSave
        If the file cannot be written.
    """
    path = file_of(files)
    entry = {
        "model": files.name,
        "computer": machine_name(),
        "agreement": agreement,
        "rows": [asdict(row) for row in rows],
    }
    with whole_file(path) as part:
        part.write_text(json.dumps(entry, indent=1), encoding="utf-8")
    return path


def file_of(files: ModelFiles) -> Path:
    """Where it is remembered: a file for each model and computer, so that processes never write over each other's."""
    computer = hashlib.sha256(machine_name().encode()).hexdigest()[:16]
    return cache_folder() / _FOLDER / f"{fingerprint(*files.paths)}-{computer}.json"


def version() -> int:
    """A number that changes when something is remembered or forgotten."""
    try:
        return (cache_folder() / _FOLDER).stat().st_mtime_ns
    except OSError:
        return 0


def forget(files: ModelFiles) -> bool:
    """Forget what was measured for a model on this computer; returns whether something was.

    Raises
    ------
    CannotSave
        If the file cannot be removed.
    """
    path = file_of(files)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise CannotSave(cannot_save(path, error)) from error
    return True


def remembered(files: ModelFiles, *, engines: Collection[str], **wanted: str) -> Measured | None:
    """What to use for a model: the fastest that agrees well enough, of some engines and with the fields that are wanted.

    Parameters
    ----------
    engines
        Names of the engines that can be used here.
    wanted
        Fields of `Runtime` with their values; "auto" for any.

    Returns
    -------
    Measured or None
        None if nothing was measured on this computer, with these versions of the runtimes and this content of the files, or
        if the file is damaged.
    """
    if not version():  # nothing is remembered, so the model's files need not be read
        return None
    try:
        entry = json.loads(file_of(files).read_text(encoding="utf-8"))
        rows = [_row(values) for values in entry["rows"]]
        fixed = {name: value for name, value in wanted.items() if value != "auto"}
        usable = [
            row
            for row in rows
            if row.runtime.engine in engines and all(getattr(row.runtime, name) == v for name, v in fixed.items())
        ]
        return choose(usable, float(entry["agreement"]))
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def _row(values: Mapping[str, Any]) -> Measured:
    row = Measured(**values)
    runtime = Runtime(**values["runtime"])
    return replace(row, runtime=runtime, seconds=float(row.seconds), agreement=float(row.agreement))
