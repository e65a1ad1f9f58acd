from types import SimpleNamespace

import numpy as np
import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.engines import onnx
from napari_centermask.engines.decode import detect
from napari_centermask.engines.onnx import OnnxEngine
from napari_centermask.engines.openvino import OpenVinoEngine

pytest.importorskip("onnxruntime")


def test_it_says_what_openvino_says(nuclei, tiles):
    engines = [make(*nuclei.graphs, nuclei.card, device="cpu", threads=1) for make in (OnnxEngine, OpenVinoEngine)]
    features = [engine.features(tiles) for engine in engines]
    for name in ("logits", "ltrb", "centerness"):
        np.testing.assert_allclose(*(getattr(f, name) for f in features), atol=2e-3, rtol=1e-3)
    detections = detect(features[0], nuclei.card, score=0.5, nms=0.5)
    masks = [e.masks(f, detections.boxes, detections.classes)[0] for e, f in zip(engines, features, strict=True)]
    np.testing.assert_allclose(*masks, atol=2e-3)
    assert len(masks[0]) == 2


def runtime(*providers):
    return SimpleNamespace(get_available_providers=lambda: [*providers], set_default_logger_severity=lambda level: None)


def test_cuda_that_is_not_there_is_refused_and_auto_takes_the_cpu(monkeypatch):
    monkeypatch.setattr(onnx, "cuda_works", lambda: False)
    assert onnx._providers(runtime("CUDAExecutionProvider"), "auto") == ["CPUExecutionProvider"]
    with pytest.raises(BadSettings, match="no CUDA driver"):
        onnx._providers(runtime("CUDAExecutionProvider"), "cuda")


@pytest.mark.parametrize(("device", "number"), [("auto", 0), ("cuda", 0), ("cuda:1", 1)])
def test_a_gpu_is_taken_by_its_number_with_the_cpu_behind_it(monkeypatch, device, number):
    monkeypatch.setattr(onnx, "cuda_works", lambda: True)
    (name, options), last = onnx._providers(runtime("CUDAExecutionProvider"), device)
    assert (name, options["device_id"], last) == ("CUDAExecutionProvider", number, "CPUExecutionProvider")


def test_the_cpu_is_taken_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(onnx, "cuda_works", lambda: True)
    assert onnx._providers(runtime("CUDAExecutionProvider"), "cpu") == ["CPUExecutionProvider"]
