import numpy as np
import pytest

from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.engines.classifier import load_classifier
from napari_centermask.models.store.classifier_card import find_classifier


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


def test_weights_outside_the_file_are_refused_before_a_runtime_opens_them(tmp_path):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(find_classifier("live-dead"))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "other.bin"
    path = tmp_path / "mine.classifier.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BadModel, match=r"mine\.classifier\.onnx is refused: .* lie in another file"):
        load_classifier(path)


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_what_a_runtime_cannot_open_is_named_with_what_to_do(tmp_path, engine):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(find_classifier("live-dead"))
    model.graph.node[0].op_type = "Nonsense"
    path = tmp_path / "mine.classifier.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(
        BadModel, match=rf"mine\.classifier\.onnx cannot be run by {engine}: .* Choose another classifier"
    ):
        load_classifier(path, engine=engine)
