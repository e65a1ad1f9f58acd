"""The GPU rows of docs/benchmarks.md in one run of less than ten minutes: images/s and GPU memory by engine and precision.

    python scripts/benchmarks/gpu.py --out gpu.json --int8 FOLDER

Fields with 100 cells at 512, and in proportion at 1024 and 2048, from the included sample. Each engine has a process of its
own, so that memory is its own and a crash is a row; what does not fit into the time says so. FOLDER is a model with quantised
graphs (QDQ). Without a GPU it ends at once; `--device cpu` tries the script itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from napari_centermask.api import sample_image
from napari_centermask.deploy.benchmark import fill, machine
from napari_centermask.deploy.candidate import Candidate
from napari_centermask.deploy.pick import agreement_of, most
from napari_centermask.engines.devices import count_gpus
from napari_centermask.engines.runtime import Runtime
from napari_centermask.settings import SegmentSettings

CELLS_AT_512 = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--int8", type=Path, help="A model with quantised graphs.")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=540)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    arguments = parser.parse_args()
    if arguments.device != "cpu" and not count_gpus():
        raise SystemExit("There is no NVIDIA GPU here; nothing was measured.")
    end = time.monotonic() + arguments.seconds
    rows: list[dict[str, object]] = []
    truth: dict[int, object] = {}
    for model, runtime in _runtimes(arguments):
        for row in _rows(model, runtime, arguments, end, truth):
            rows.append(row)
            print(json.dumps(row), flush=True)
            report = {"machine": machine(), "rows": rows}
            arguments.out.write_text(json.dumps(report, indent=1), encoding="utf-8")


def _runtimes(arguments: argparse.Namespace) -> list[tuple[str, Runtime]]:
    """The rows, those that matter most first: TensorRT builds for minutes, so it comes last."""
    device, model = arguments.device, arguments.model
    if device == "cpu":
        return [(model, Runtime(e, "cpu", p)) for e, p in (("torch", "float32"), ("openvino", "bfloat16"))]
    found = [(model, Runtime("torch", device, p, batch=4)) for p in ("float32", "float16", "bfloat16")]
    found.append((model, Runtime("onnx", device, "float32", batch=4)))
    int8 = [] if arguments.int8 is None else [str(arguments.int8)]
    found += [(quantised, Runtime("onnx", device, "float32", batch=4)) for quantised in int8]
    found += [(model, Runtime("tensorrt", device, p, batch=4)) for p in ("float16", "float32")]
    found += [(quantised, Runtime("tensorrt", device, "float32", batch=4)) for quantised in int8]
    found += [(model, Runtime("onnx", device.replace("cuda", "tensorrt"), p, batch=4)) for p in ("float16", "float32")]
    return found


def _rows(model: str, runtime: Runtime, arguments: argparse.Namespace, end: float, truth: dict[int, object]):
    """A row for each size."""
    for side in arguments.sizes:
        row: dict[str, object] = {"model": model, "runtime": str(runtime), "side": side}
        left = end - time.monotonic()
        if left < 5:
            yield row | {"why_not": "not measured: no time was left"}
            continue
        image = fill(sample_image()[None], side)
        settings = SegmentSettings(
            diameter=40, score=0.01, nms=0.95, mask_nms=1.0, min_area=1, tile=1024, max_detections=_most(side)
        )
        candidate = Candidate(model, runtime, [image], [settings])
        taken = []
        while len(taken) < arguments.runs and (left := end - time.monotonic()) > 0:
            run = candidate.run(limit_s=left)
            if run is None:
                break
            taken.append(run)
        candidate.close()
        if not taken:
            yield row | {"why_not": candidate.why_not or "not measured: no time was left"}
            continue
        truth.setdefault(side, taken[0].cells)
        seconds = statistics.median(run.seconds for run in taken)
        yield row | {
            "images_per_second": round(1 / seconds, 2),
            "runs": len(taken),
            "cells": len(taken[0].cells[0]),
            "agreement": round(agreement_of(truth[side], taken[0].cells), 4),
            "gpu_mb": most(taken, "gpu_mb"),
            "memory_mb": most(taken, "memory_mb"),
        }


def _most(side: int) -> int:
    """Cells of a tile: 100 at 512, in proportion to the area up to a tile of 1,024."""
    return int(np.ceil(CELLS_AT_512 * min(side, 1024) ** 2 / 512**2))


if __name__ == "__main__":
    main()
