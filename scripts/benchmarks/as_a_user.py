"""A field of 700 nuclei as a person runs it, from the array to the cells, beside Mask R-CNN and StarDist's network, in one run.

    python scripts/benchmarks/as_a_user.py --data ../shared/data/dsb2018_fluo --stardist STARDIST_ENVIRONMENT/bin/python

The field is that of network_cost.py: 1024 x 1024 pixels, 700 real nuclei of 22 pixels. Ours estimates the diameter in each run.
torchvision's Mask R-CNN R-50 gets the field as it is, and keeps 300 cells; StarDist's default 2D configuration (PyPI
stardist, in an environment of its own, as it needs TensorFlow) has random weights, and only its network is timed, on the field
without rescaling. All take turns; medians in seconds, and how many times as fast as Mask R-CNN.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from beside import mask_rcnn, other
from network_cost import make_field

from napari_centermask.deploy.benchmark import machine
from napari_centermask.engines.load import load_engine
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings

OURS = ("openvino float32", "openvino bfloat16", "onnx float32", "torch float32", "torch bfloat16")
_STARDIST = """
import sys, time, numpy as np
from stardist.models import Config2D, StarDist2D
x = np.load(sys.argv[1]).astype(np.float32)[None, ..., None] / 255
network = StarDist2D(Config2D(), name=None, basedir=None).keras_model
def step():
    network(x, training=False)[0].numpy()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Folder whose train images give the nuclei.")
    parser.add_argument("--stardist", type=Path, help="Python of an environment with stardist and TensorFlow.")
    parser.add_argument("--models", nargs="+", default=["nuclei", "cells"])
    parser.add_argument("--runtimes", nargs="+", default=list(OURS))
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    image, _ = make_field(arguments.data)
    calls: dict[str, Callable[[], tuple[float, int]]] = {
        f"{model}, {runtime}": _ours(model, runtime, image)
        for model in arguments.models
        for runtime in arguments.runtimes
    }
    calls["Mask R-CNN R-50"] = _timed(mask_rcnn(image[0] / 255))
    if arguments.stardist:
        calls["StarDist, network alone"] = _stardist(arguments.stardist, image[0])
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    cells = {}
    for number in range(arguments.runs + 1):
        for name, call in calls.items():
            taken, cells[name] = call()
            print(f"round {number}, {name}: {taken:.2f} s", file=sys.stderr, flush=True)
            if number:
                seconds[name].append(taken)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    slow = median["Mask R-CNN R-50"]
    rows = {
        n: {"seconds": round(s, 3), "times as fast": round(slow / s, 2), "cells": cells[n]} for n, s in median.items()
    }
    print(json.dumps({"machine": machine(), "runs": arguments.runs, "rows": rows}, indent=1))


def _timed(run: Callable[[], int]) -> Callable[[], tuple[float, int]]:
    def call() -> tuple[float, int]:
        start = time.perf_counter()
        count = run()
        return time.perf_counter() - start, count

    return call


def _ours(model: str, runtime: str, image: np.ndarray) -> Callable[[], tuple[float, int]]:
    engine, precision = runtime.split()
    loaded = load_engine(model, engine=engine, device="cpu", precision=precision)
    return _timed(lambda: len(segment(image, loaded, SegmentSettings())))


def _stardist(python: Path, plane: np.ndarray) -> Callable[[], tuple[float, int]]:
    path = Path(tempfile.mkdtemp()) / "field.npy"
    np.save(path, plane)
    run = other("StarDist", python, _STARDIST, path)
    return lambda: (run(), 0)


if __name__ == "__main__":
    main()
