import numpy as np
import pytest

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


def test_features_stay_on_the_device_between_the_graphs(nuclei, tiles):
    features = OnnxEngine(*nuclei.graphs, nuclei.card, device="cpu", threads=1).features(tiles)
    assert [type(level).__name__ for level in features.pyramid] == ["OrtValue"] * 4  # P2 to P5
    assert isinstance(features.logits, np.ndarray)
