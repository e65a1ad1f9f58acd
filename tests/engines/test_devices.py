"""Only engines and devices that can work are offered."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from napari_centermask.engines import devices


def gpus(monkeypatch, n, *, installed=()):
    """A driver with `n` GPUs, and packages that are installed; None for no driver."""

    def count(pointer):
        pointer._obj.value = n
        return 0

    driver = None if n is None else SimpleNamespace(cuInit=lambda _: 0 if n else 100, cuDeviceGetCount=count)
    monkeypatch.setattr(devices, "driver", lambda: driver)
    monkeypatch.setattr(devices, "is_installed", lambda name: name in installed)


@pytest.mark.parametrize(
    ("n", "installed", "offered"),
    [
        (None, ["onnxruntime-gpu"], ()),
        (0, ["onnxruntime-gpu"], ()),
        (1, [], ()),
        (1, ["onnxruntime-gpu"], ("cuda",)),
        (2, ["onnxruntime-gpu"], ("cuda:0", "cuda:1", "cuda:0,cuda:1")),
    ],
)
def test_a_gpu_is_offered_in_napari_if_driver_and_runtime_are_there(monkeypatch, n, installed, offered):
    gpus(monkeypatch, n, installed=installed)
    monkeypatch.setattr(devices, "tensorrt_works", lambda: False)
    assert devices.devices_in_napari() == ("auto", "cpu", *offered)


@pytest.mark.parametrize(("torch", "offered"), [("2.9.0+cpu", ()), ("2.9.0", ("cuda",)), ("2.9.0+cu130", ("cuda",))])
def test_a_gpu_is_offered_for_training_if_torch_is_made_for_it(monkeypatch, torch, offered):
    gpus(monkeypatch, 1)
    monkeypatch.setattr(devices, "version", lambda name: torch)
    assert devices.devices_for_training() == ("auto", "cpu", *offered)


def test_engines_that_are_not_installed_are_not_offered_and_torch_never(monkeypatch):
    monkeypatch.setattr(devices, "find_spec", lambda name: object() if name in ("openvino", "torch") else None)
    assert devices.engines_in_napari() == ("auto", "openvino")


def test_precisions_are_those_that_the_processor_may_have(monkeypatch):
    gpus(monkeypatch, 1, installed=["onnxruntime-gpu"])
    monkeypatch.setattr(devices, "_may_have_bfloat16", lambda: False)
    assert devices.precisions_in_napari() == ("auto", "float32")
    monkeypatch.setattr(devices, "_may_have_bfloat16", lambda: True)
    monkeypatch.setattr(devices, "tensorrt_works", lambda: True)
    assert devices.devices_in_napari() == ("auto", "cpu", "cuda", "tensorrt")
    assert devices.precisions_in_napari() == ("auto", "float32", "bfloat16", "float16")
