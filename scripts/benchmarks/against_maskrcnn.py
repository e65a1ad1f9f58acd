"""The default model against torchvision's Mask R-CNN R-50 FPN: 1024 x 1024, 300 instances each, interleaved in one run.

    python scripts/benchmarks/against_maskrcnn.py --runs 5

Mask R-CNN has random weights, as speed does not depend on them: its score threshold is 0 and it keeps 300 detections.
Ours keeps the 300 best cells of a real field repeated to 1024 x 1024.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torchvision.models.detection import maskrcnn_resnet50_fpn

from napari_centermask.deploy.benchmark import fill, machine
from napari_centermask.engines.load import load_engine
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings

CELLS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, required=True, help="A dense real field.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--engines",
        nargs="+",
        default=["onnx", "openvino", "torch"],
        help="Each may end with a precision: torch:bfloat16.",
    )
    arguments = parser.parse_args()
    image = fill(read_plane(arguments.image), 1024)
    candidates = {name: _ours(name, image) for name in arguments.engines} | {"maskrcnn_resnet50_fpn": _maskrcnn(image)}
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    counts = {}
    for number in range(arguments.runs + 1):
        for name, run in candidates.items():
            start = time.perf_counter()
            counts[name] = run()
            if number:
                seconds[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    slow = median["maskrcnn_resnet50_fpn"]
    rows = {n: {"instances": counts[n], "seconds": round(s, 4), "ratio": round(slow / s, 2)} for n, s in median.items()}
    print(json.dumps({"machine": machine(), "runs": arguments.runs, "rows": rows}, indent=1))


def _ours(name: str, image: np.ndarray):
    engine_name, _, precision = name.partition(":")
    engine = load_engine("nuclei", engine=engine_name, precision=precision or "float32")
    settings = SegmentSettings(
        diameter=engine.card.diameter, score=0.01, max_detections=CELLS, nms=0.95, mask_nms=1.0, min_area=1, tile=1024
    )
    return lambda: len(segment(image, engine, settings))


def _maskrcnn(image: np.ndarray):
    torch.manual_seed(0)
    model = maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        min_size=1024,
        max_size=1024,
        box_score_thresh=0.0,
        box_nms_thresh=0.95,
        box_detections_per_img=CELLS,
    ).eval()
    grey = image.astype(np.float32).mean(0)
    x = torch.from_numpy(np.repeat((grey / max(grey.max(), 1.0))[None], 3, axis=0))

    @torch.inference_mode()
    def run() -> int:
        return len(model([x])[0]["masks"])

    return run


if __name__ == "__main__":
    main()
