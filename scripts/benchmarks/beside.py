"""What is timed beside ours in one run: torchvision's Mask R-CNN, and networks in environments of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torchvision.models.detection import maskrcnn_resnet50_fpn

_LOOP = """
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    step()
    print("took", time.perf_counter() - start, flush=True)
"""


def mask_rcnn(plane: np.ndarray) -> Callable[[], int]:
    """A run of Mask R-CNN R-50 FPN with random weights on a grey image of 1024 x 1024 in [0, 1]; it gives 300 cells."""
    torch.manual_seed(0)
    sizes = {"min_size": 1024, "max_size": 1024}
    kept = {"box_score_thresh": 0.0, "box_nms_thresh": 0.95, "box_detections_per_img": 300}
    model = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, **sizes, **kept).eval()
    x = torch.from_numpy(np.repeat(plane[None].astype(np.float32), 3, axis=0))

    @torch.inference_mode()
    def run() -> int:
        return len(model([x])[0]["masks"])

    return run


def other(name: str, python: Path, code: str, *arguments: Path) -> Callable[[], float]:
    """A call that runs `step()` of some code in another environment, and gives the seconds that it took there.

    Parameters
    ----------
    code
        It imports sys and time, reads the arguments, and defines `step`.

    Raises
    ------
    SystemExit
        If that process ends.
    """
    command = [str(python), "-c", code + _LOOP, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None

    def until(word: str) -> str:
        while not (line := process.stdout.readline()).startswith(word):
            if not line:
                raise SystemExit(f"{name} ended.")
        return line

    until("ready")

    def call() -> float:
        process.stdin.write("go\n")
        process.stdin.flush()
        return float(until("took").split()[-1])

    return call
