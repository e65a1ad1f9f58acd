import numpy as np
import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.engines.classifier import load_classifier


@pytest.fixture(scope="module")
def crops():
    card = load_classifier("live-dead", threads=1).card
    shape = (300, card.model.in_channels + 1, card.model.side, card.model.side)
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def test_rows_sum_to_one_in_the_order_of_the_crops(crops):
    engine = load_classifier("live-dead", threads=1)
    whole = engine.probabilities(crops)  # more than one batch
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(whole[250:260], engine.probabilities(crops[250:260]), atol=1e-4)


def test_both_runtimes_say_the_same(crops):
    pytest.importorskip("onnxruntime")
    said = [load_classifier("live-dead", engine=e, threads=1).probabilities(crops[:20]) for e in ("openvino", "onnx")]
    np.testing.assert_allclose(*said, atol=2e-3)


def test_no_cells_have_no_probabilities(crops):
    assert load_classifier("live-dead").probabilities(crops[:0]).shape == (0, 2)


def test_an_unknown_engine_is_refused():
    with pytest.raises(BadSettings, match="auto, openvino or onnx"):
        load_classifier("live-dead", engine="torch")
