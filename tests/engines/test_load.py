from dataclasses import replace

import pytest

from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.engines import load
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
        load_engine(nuclei, engine="tensorrt")
