from dataclasses import replace

import onnx
import pytest

from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.engines import load, providers
from napari_centermask.engines.load import load_engine


def installed(monkeypatch, *packages):
    monkeypatch.setattr(load, "find_spec", lambda name: object() if name in packages else None)


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_an_engine_is_what_was_asked_for(nuclei, name):
    pytest.importorskip("onnxruntime")
    engine = load_engine(nuclei, engine=name, device="cpu", threads=1)
    assert (engine.name, engine.device, engine.card) == (name, "cpu", nuclei.card)


@pytest.mark.parametrize(
    ("packages", "expected"),
    [(("onnxruntime", "openvino"), "openvino"), (("onnxruntime",), "onnx"), ((), "torch")],
)
def test_on_a_cpu_openvino_goes_first_then_onnx_then_torch(nuclei, monkeypatch, packages, expected):
    installed(monkeypatch, *packages)
    assert load._choose(nuclei, "cpu") == expected


def test_weights_alone_run_on_torch(nuclei):
    assert load._choose(replace(nuclei, graphs=None), "auto") == "torch"


def test_missing_graphs_are_named_with_the_command_that_makes_them(nuclei):
    with pytest.raises(BadModel, match=r"nuclei\.dense\.onnx and nuclei\.roi\.onnx.* export nuclei"):
        load_engine(replace(nuclei, graphs=None), engine="openvino")


def test_missing_weights_are_named(nuclei):
    with pytest.raises(BadModel, match=r"nuclei\.safetensors"):
        load_engine(replace(nuclei, weights=None), engine="torch")


def test_an_unknown_engine_is_refused(nuclei):
    with pytest.raises(BadSettings, match="auto, openvino, onnx, torch"):
        load_engine(nuclei, engine="quantum")


@pytest.mark.parametrize("engine", ["openvino", "onnx", "tensorrt"])
def test_weights_outside_the_graph_are_refused_whatever_runs_it(nuclei, tmp_path, engine):
    dense, roi = nuclei.graphs
    model = onnx.load(roi)
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    (tmp_path / "roi.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BadModel, match=r"roi\.onnx is refused: .* lie in another file"):
        load_engine(replace(nuclei, graphs=(dense, tmp_path / "roi.onnx")), engine=engine)


@pytest.mark.parametrize(
    ("device", "what"), [("gpu0", "auto, cpu, cuda, mps, not on 'gpu0'"), ("cuda:x", "with a number")]
)
def test_a_device_that_torch_does_not_have_here_is_refused(nuclei, device, what):
    pytest.importorskip("torch")
    with pytest.raises(BadSettings, match=what):
        load_engine(nuclei, engine="torch", device=device)


@pytest.fixture
def broken_gpu(monkeypatch):
    """A driver that loads and a runtime made for CUDA, whose sessions fail."""
    runtime = pytest.importorskip("onnxruntime")
    real = runtime.InferenceSession

    def session(path, options, *, providers, **kwargs):
        if len(providers) > 1:
            raise RuntimeError("CUDA failure 35: the driver is too old.\nmore")
        return real(path, options, providers=providers, **kwargs)

    offered = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(runtime, "get_available_providers", lambda: offered)
    monkeypatch.setattr(runtime, "InferenceSession", session)
    for module in (load, providers):
        monkeypatch.setattr(module, "cuda_works", lambda: True)


@pytest.mark.parametrize(("engine", "expected"), [("auto", "openvino"), ("onnx", "onnx")])
def test_a_gpu_that_fails_is_replaced_by_the_cpu_and_the_reason_is_said(nuclei, broken_gpu, engine, expected):
    said = []
    loaded = load_engine(nuclei, engine=engine, threads=1, say=said.append)
    assert (loaded.name, loaded.device) == (expected, "cpu")
    (text,) = said
    assert text.startswith(f"The GPU is not used; {expected} runs on the CPU instead.")
    assert "CUDA failure 35: the driver is too old." in text
    assert "doctor" in text


def test_by_default_the_reason_is_a_warning(nuclei, broken_gpu):
    with pytest.warns(UserWarning, match="driver is too old"):
        load_engine(nuclei, threads=1)


def test_a_gpu_that_was_asked_for_and_fails_is_an_error(nuclei, broken_gpu):
    for engine in ("auto", "onnx"):
        with pytest.raises(BadSettings, match="driver is too old"):
            load_engine(nuclei, engine=engine, device="cuda")


def test_without_a_driver_nothing_is_said(nuclei):
    said = []
    assert load_engine(nuclei, threads=1, say=said.append).device == "cpu"
    assert said == []
