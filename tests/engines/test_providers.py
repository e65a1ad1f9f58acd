"""Devices are those of the installed ONNX Runtime that have a driver here."""

from types import SimpleNamespace

import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.engines import providers
from napari_centermask.engines.providers import PROVIDERS, offered_devices, providers_for

CPU = ("CPUExecutionProvider", {})


def runtime(*kinds):
    return SimpleNamespace(get_available_providers=lambda: [PROVIDERS[kind] for kind in kinds])


@pytest.fixture
def works(monkeypatch):
    """A CUDA driver and TensorRT."""
    monkeypatch.setattr(providers, "cuda_works", lambda: True)
    monkeypatch.setattr(providers, "tensorrt_works", lambda: True)


def test_cuda_that_is_not_there_is_refused_and_auto_takes_the_cpu(monkeypatch):
    monkeypatch.setattr(providers, "cuda_works", lambda: False)
    assert providers_for(runtime("cuda", "cpu"), "auto") == [CPU]
    with pytest.raises(BadSettings, match="no CUDA driver"):
        providers_for(runtime("cuda", "cpu"), "cuda")


@pytest.mark.parametrize(("device", "number"), [("auto", "0"), ("cuda", "0"), ("cuda:1", "1")])
def test_a_gpu_is_taken_by_its_number_with_the_cpu_behind_it(works, device, number):
    (name, options), last = providers_for(runtime("cuda", "cpu"), device)
    assert (name, options["device_id"], last) == (PROVIDERS["cuda"], number, CPU)


def test_the_cpu_is_taken_where_it_is_asked_for(works):
    assert providers_for(runtime("cuda", "cpu"), "cpu") == [CPU]


def test_tensorrt_has_cuda_and_the_cpu_behind_it_and_keeps_its_engines(works, tmp_path):
    rows = providers_for(
        runtime("cuda", "tensorrt", "cpu"), "tensorrt:2", precision="float16", cache=tmp_path, channels=3
    )
    assert [name for name, _ in rows] == [PROVIDERS[kind] for kind in ("tensorrt", "cuda", "cpu")]
    options = rows[0][1]
    assert (options["device_id"], rows[1][1]["device_id"]) == ("2", "2")
    assert (options["trt_fp16_enable"], options["trt_bf16_enable"]) == ("1", "0")
    assert options["trt_engine_cache_path"] == options["trt_timing_cache_path"] == str(tmp_path)
    assert options["trt_profile_min_shapes"] == "image:1x3x64x64"
    assert options["trt_profile_max_shapes"] == "image:8x3x1152x1152"


def test_devices_are_those_that_the_runtime_is_made_for(monkeypatch):
    monkeypatch.setattr(providers, "tensorrt_works", lambda: False)
    monkeypatch.setattr(providers, "cuda_works", lambda: True)
    assert offered_devices(runtime("tensorrt", "cuda", "directml", "cpu")) == ["cpu", "cuda", "directml"]
    assert providers_for(runtime("coreml", "cpu"), "coreml") == [(PROVIDERS["coreml"], {}), CPU]
    with pytest.raises(BadSettings, match="no DmlExecutionProvider"):
        providers_for(runtime("cpu"), "directml")
    with pytest.raises(BadSettings, match="runs on auto, cpu, cuda"):
        providers_for(runtime("cpu", "cuda"), "quantum")


@pytest.mark.parametrize("name", list(PROVIDERS.values()))
def test_the_names_are_those_of_onnx_runtime(name):
    known = pytest.importorskip("onnxruntime").get_all_providers()
    assert name in known


def test_more_tiles_at_once_than_tensorrt_is_built_for_are_refused():
    providers.check_tiles(8)
    with pytest.raises(BadSettings, match=r"up to 8 tiles at once here, not 16\. Choose --batch 8"):
        providers.check_tiles(16)
