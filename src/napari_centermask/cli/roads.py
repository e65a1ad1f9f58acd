"""What can be done here: segment, train and export, on the CPU, on CUDA and with TensorRT; and what opens a closed road."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_centermask.cli.probes import Check

_NEEDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("segment", "CPU"): ("engine openvino on cpu", "engine onnx on cpu", "engine torch on cpu"),
    ("segment", "CUDA"): ("engine onnx on cuda", "torch on cuda"),
    ("segment", "TensorRT"): ("engine onnx on tensorrt",),
    ("train", "CPU"): ("torch",),
    ("train", "CUDA"): ("torch on cuda",),
    ("export", "CPU"): ("export",),
}
"""The checks of which one must pass, the preferred first; its remedy opens the road."""
_NEVER = {
    ("export", "CUDA"): "not needed: exports are made and checked on the CPU",
}


@dataclass(frozen=True)
class Road:
    """One task on one kind of device.

    Attributes
    ----------
    detail
        How it goes if it is open; otherwise why it does not.
    remedy
        What opens it; empty if it is open, or nothing here can.
    """

    task: str
    device: str
    is_open: bool
    detail: str
    remedy: str = ""


def roads(checks: Sequence[Check]) -> list[Road]:
    """All roads, by the checks of `doctor`."""
    found = {check.name: check for check in checks}
    rows = [_road(*key, [found[name] for name in names if name in found]) for key, names in _NEEDS.items()]
    rows += [Road(*key, False, why) for key, why in _NEVER.items()]
    return sorted(rows, key=lambda row: ("segment", "train", "export").index(row.task))


def _road(task: str, device: str, checks: Sequence[Check]) -> Road:
    passed = [check for check in checks if check.ok]
    if passed:
        first = passed[0]
        return Road(task, device, True, first.name if task == "segment" else first.detail)
    if not checks:
        return Road(task, device, False, "not tried")
    first = next((check for check in checks if check.remedy), checks[0])
    return Road(task, device, False, first.detail, first.remedy)
