"""The report beside exported graphs: what they were compared on, and how closely they agree with torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from napari_centermask.deploy.parity import LEAST_IOU, TOLERANCE, Parity
from napari_centermask.io.whole_file import whole_file

SUFFIX = ".parity.json"
_PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "onnxruntime-gpu")


def report(parity: Parity, files: Sequence[Path]) -> dict[str, Any]:
    """The report as plain values; with the digests of the files."""
    return {
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        "opset": parity.opset,
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
        "required": {"difference": TOLERANCE, "mask_iou": LEAST_IOU},
        "differences": parity.differences,
        "tolerances": {name: parity.tolerance(name) for name in parity.differences},
        "shapes": parity.shapes,
        "images": [asdict(image) for image in parity.images],
    }


def write_report(path: Path, parity: Parity, files: Sequence[Path]) -> None:
    """Write the report as JSON."""
    with whole_file(path) as part:
        part.write_text(json.dumps(report(parity, files), indent=1), encoding="utf-8")


def in_words(parity: Parity) -> str:
    """The report in a few lines."""
    lines = []
    if parity.differences:
        worst = ", ".join(f"{name} {value:.1e}" for name, value in parity.differences.items())
        lines.append(f"Largest differences from torch: {worst}")
    cells = sum(image.cells for image in parity.images)
    if cells:
        iou = min(image.iou for image in parity.images)
        lines.append(
            f"The same {cells:,} cells in {len(parity.images)} real images; masks agree with an IoU of at least {iou:.4f}"
        )
    else:
        lines.append(
            "No cells in the real images, so only the numbers were compared: name images of yours with --images"
        )
    return "\n".join(lines)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
