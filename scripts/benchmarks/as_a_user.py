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
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from network_cost import make_field
from torchvision.models.detection import maskrcnn_resnet50_fpn

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
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    network(x, training=False)[0].numpy()
    print(time.perf_counter() - start, flush=True)
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
        f"{model}, {runtime}": _ours(model, *runtime.split(), image)
        for model in arguments.models
        for runtime in arguments.runtimes
    }
    calls["Mask R-CNN R-50"] = _maskrcnn(image)
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


def _ours(model: str, engine: str, precision: str, image: np.ndarray) -> Callable[[], tuple[float, int]]:
    loaded = load_engine(model, engine=engine, device="cpu", precision=precision)
    return _timed(lambda: len(segment(image, loaded, SegmentSettings())))


def _maskrcnn(image: np.ndarray) -> Callable[[], tuple[float, int]]:
    torch.manual_seed(0)
    sizes = {"min_size": 1024, "max_size": 1024}
    kept = {"box_score_thresh": 0.0, "box_nms_thresh": 0.95, "box_detections_per_img": 300}
    model = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, **sizes, **kept).eval()
    x = torch.from_numpy(np.repeat(image.astype(np.float32) / 255, 3, axis=0))

    @torch.inference_mode()
    def run() -> int:
        return len(model([x])[0]["masks"])

    return _timed(run)


def _stardist(python: Path, plane: np.ndarray) -> Callable[[], tuple[float, int]]:
    path = Path(tempfile.mkdtemp()) / "field.npy"
    np.save(path, plane)
    command = [str(python), "-c", _STARDIST, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    while "ready" not in (line := process.stdout.readline()):
        if not line:
            raise SystemExit("StarDist did not start.")

    def call() -> tuple[float, int]:
        process.stdin.write("go\n")
        process.stdin.flush()
        return float(process.stdout.readline().split()[-1]), 0

    return call


if __name__ == "__main__":
    main()
