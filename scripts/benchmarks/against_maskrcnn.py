"""Included models against torchvision's Mask R-CNN R-50 FPN: 1024 x 1024, 300 instances each, in turns in one run.

    python scripts/benchmarks/against_maskrcnn.py --image FIELD --models nuclei int8_nuclei/1-quantise

Mask R-CNN has random weights, as speed does not depend on them: its score threshold is 0 and it keeps 300 detections.
Ours keeps the 300 best cells of a real field repeated to 1024 x 1024, without rescaling. Operations are counted in
torch (two for a multiplication with an addition), and divided by the time of the whole run; the machine's peak is the
best of eight products of two matrices of 2,048 x 2,048 in torch, in the precision of the row. A model without weights
is taken to compute in INT8; that of a pruned network gets no such figures.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from beside import mask_rcnn
from torch.utils.flop_counter import FlopCounterMode

from napari_centermask.deploy.benchmark import fill, machine
from napari_centermask.engines.load import load_engine
from napari_centermask.io.images import read_plane
from napari_centermask.models.store.zoo import find_model
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings

CELLS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, required=True, help="A dense real field.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=["nuclei"], help="CenterMasks.")
    parser.add_argument(
        "--engines",
        nargs="+",
        default=["onnx", "openvino", "openvino:bfloat16", "torch", "torch:bfloat16"],
        help="Each may end with a precision. Models without weights run on onnx and openvino.",
    )
    arguments = parser.parse_args()
    image = fill(read_plane(arguments.image), 1024)
    candidates, precisions, operations = {}, {}, {}
    for model in arguments.models:
        trainable = find_model(model).weights is not None
        for runtime in arguments.engines:
            engine, _, precision = runtime.partition(":")
            if not trainable and (engine == "torch" or precision):
                continue
            name = f"{model}, {runtime}"
            candidates[name] = _ours(model, engine, precision or "float32", image)
            precisions[name] = (precision or "float32") if trainable else "int8"
            operations[name] = model if trainable else _quantised_from(model)
    counted = {
        model: _operations(_ours(model, "torch", "float32", image)) for model in set(operations.values()) - {None}
    }
    peak = {kind: _peak(kind) for kind in sorted(set(precisions.values()))}
    grey = image.astype(np.float32).mean(0)
    candidates["Mask R-CNN R-50"] = mask_rcnn(grey / max(grey.max(), 1.0))
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    counts = {}
    for number in range(arguments.runs + 1):
        for name, run in candidates.items():
            start = time.perf_counter()
            counts[name] = run()
            taken = time.perf_counter() - start
            print(f"round {number}, {name}: {taken:.2f} s", file=sys.stderr, flush=True)
            if number:
                seconds[name].append(taken)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    slow = median["Mask R-CNN R-50"]
    rows = {n: {"instances": counts[n], "seconds": round(s, 4), "ratio": round(slow / s, 2)} for n, s in median.items()}
    for name, kind in precisions.items():
        if operations[name] is None:
            continue
        rate = counted[operations[name]] / median[name]
        rows[name] |= {"GFLOP/s": round(rate / 1e9, 1), "part of the peak": round(rate / peak[kind], 3)}
    peaks = {kind: round(rate / 1e9) for kind, rate in peak.items()}
    print(json.dumps({"machine": machine(), "peak, GFLOP/s": peaks, "runs": arguments.runs, "rows": rows}, indent=1))


def _ours(model: str, engine: str, precision: str, image: np.ndarray) -> Callable[[], int]:
    loaded = load_engine(model, engine=engine, device="cpu", precision=precision)
    settings = SegmentSettings(
        diameter=loaded.card.diameter, score=0.01, max_detections=CELLS, nms=0.95, mask_nms=1.0, min_area=1, tile=1024
    )
    return lambda: len(segment(image, loaded, settings))


def _quantised_from(model: str) -> str | None:
    """The model that a compressed one was made from, if it was quantised only and so has its operations."""
    card = find_model(model).card
    steps = card.training.get("compression", {}).get("steps", [])
    return card.parent if steps and all(step["step"] == "quantise" for step in steps) else None


def _operations(run: Callable[[], int]) -> float:
    """Floating-point operations of convolutions and products of matrices in one run."""
    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops())


def _peak(kind: str) -> float:
    """Operations per second of the best of eight products of two matrices."""
    side = 2048
    if kind == "int8":
        a, b = (torch.randint(-100, 100, (side, side), dtype=torch.int8) for _ in range(2))
        product = torch._int_mm
    else:
        a, b = (torch.randn(side, side).to(getattr(torch, kind)) for _ in range(2))
        product = torch.mm
    best = math.inf
    for _ in range(8):
        start = time.perf_counter()
        product(a, b)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


if __name__ == "__main__":
    main()
