"""Two models on the same images: how many cells, and overlapping cells, each gets right, how fast, and with how much memory.

    python scripts/benchmarks/families.py --models nuclei unet-nuclei --json families.json \\
        --data ../shared/data/dsb2018_fluo ../shared/data/dsb_overlap_composite --image A_DENSE_FIELD.png

Accuracy is measured on the `test` split of each folder, with estimated diameters. For speed, both segment the same field
(`--image`, mirrored to `--side`) with a given diameter, in turns, with the median of `--runs`; each model scales the field to
the diameter it was trained at. Memory is the peak of a separate process (Linux).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from napari_centermask.deploy.benchmark import fill, machine
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import evaluate_folder, predictor
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import segment, with_card_defaults
from napari_centermask.settings import SegmentSettings

PEAK = """
import sys
from pathlib import Path
from napari_centermask.deploy.benchmark import fill
from napari_centermask.engines.load import load_engine
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings
model, engine, image, side, diameter = sys.argv[1:]
segment(fill(read_plane(Path(image)), int(side)), load_engine(model, engine=engine), SegmentSettings(diameter=float(diameter)))
# Not getrusage: its maximum is inherited from the process that started this one.
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["nuclei", "unet-nuclei"])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--diameter", type=float, default=20.0, help="Of the cells in --image.")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--json", type=Path, default=Path("families.json"))
    options = parser.parse_args()
    engines = {name: load_engine(name, engine=options.engine) for name in options.models}
    accuracy = {
        folder.name: {name: figures(folder, engine) for name, engine in engines.items()} for folder in options.data
    }
    result = {"accuracy": accuracy, "speed": speed(options, engines), "machine": machine(), "runs": options.runs}
    options.json.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


def figures(folder: Path, engine) -> dict:
    """AP by IoU and the overlapping cells alone."""
    settings = SegmentSettings()
    score = with_card_defaults(settings, engine.card).score
    report = evaluate_folder(folder, "test", predictor(engine, settings), score=score).to_json()
    return {k: report[k] for k in ("bioimage_ap", "bioimage_ap_mean", "f1", "pq", "overlap")}


def speed(options: argparse.Namespace, engines: dict) -> dict:
    """Median seconds in turns, cells found, peak memory."""
    image = fill(read_plane(options.image), options.side)
    settings = SegmentSettings(diameter=options.diameter)
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    cells = {}
    for number in range(options.runs + 1):
        for name, engine in engines.items():
            start = time.perf_counter()
            cells[name] = len(segment(image, engine, settings))
            if number:
                seconds[name].append(time.perf_counter() - start)
    place = [str(options.image), str(options.side), str(options.diameter)]
    rows = {}
    for name, values in seconds.items():
        command = [sys.executable, "-c", PEAK, name, options.engine, *place]
        peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
        rows[name] = {"seconds": statistics.median(values), "cells": cells[name], "peak_mb": peak}
    return rows


if __name__ == "__main__":
    main()
