"""`doctor` says what can be done, and what opens the rest."""

from __future__ import annotations

from napari_centermask.cli.probes import Check
from napari_centermask.cli.roads import roads


def by_key(checks):
    return {(road.task, road.device): road for road in roads(checks)}


def test_a_laptop_with_everything_segments_trains_and_exports_on_its_cpu():
    found = by_key(
        [
            Check("engine openvino on cpu", True, "runs"),
            Check("engine onnx on cuda", None, "no NVIDIA driver on this machine"),
            Check("torch", True, "torch 2"),
            Check("torch on cuda", None, "no NVIDIA driver on this machine"),
            Check("export", True, "onnx 1"),
        ]
    )
    assert {key for key, road in found.items() if road.is_open} == {(t, "CPU") for t in ("segment", "train", "export")}
    assert found["segment", "CPU"].detail == "engine openvino on cpu"
    assert found["train", "CUDA"].detail == "no NVIDIA driver on this machine"
    assert found["train", "CUDA"].remedy == ""
    assert not found["segment", "TensorRT"].is_open


def test_a_closed_road_says_what_opens_it():
    found = by_key(
        [
            Check("engine openvino on cpu", False, "crashed", "pip install --force-reinstall openvino"),
            Check("engine onnx on cpu", None, "onnxruntime is not installed", "pip install onnxruntime"),
            Check("engine onnx on cuda", None, "no onnxruntime-gpu", "pip install it"),
            Check("torch on cuda", True, "H200"),
            Check("torch", None, "not installed", "pip install torch"),
        ]
    )
    assert found["segment", "CPU"].remedy == "pip install --force-reinstall openvino"
    assert found["segment", "CUDA"].is_open  # on the command line, with torch
    assert found["train", "CPU"].remedy == "pip install torch"
    assert found["export", "CPU"].detail == "not tried"
