"""Two workers of `segment` against one, each with a core of its own: the whole command, start-up included.

    python scripts/benchmarks/workers.py --fields ../shared/data/bbbc039_fluo16/images

One worker runs on one core, two on two, in turns; so the ratio says what the second core brings. `--workers 1` with all cores
is beside them, as a person would start it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from napari_centermask.deploy.benchmark import machine

WAYS = {"one": (1, 1), "two": (2, 2), "one_on_all_cores": (1, 0)}
"""Workers, and cores; 0 for all."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="nuclei")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(options.repeats):
        for way, (workers, cores) in WAYS.items():
            seconds[way].append(timed(options.fields, options.model, workers, cores))
    medians = {way: round(statistics.median(values), 1) for way, values in seconds.items()}
    print(json.dumps({"machine": machine(), "seconds": medians, "ratio": medians["one"] / medians["two"]}, indent=1))


def timed(fields: Path, model: str, workers: int, cores: int) -> float:
    """Seconds of the command on all images of a folder."""
    free = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "napari_centermask", "segment", str(fields), "--out", out, "--model", model]
        began = time.perf_counter()
        subprocess.run(
            [*command, "--workers", str(workers)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=partial(os.sched_setaffinity, 0, free[:cores] if cores else free),
        )
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
