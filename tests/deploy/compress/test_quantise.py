"""Graphs in fewer bits compute nearly the same, on both engines, and what predicts stays float."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from napari_centermask.deploy.compress import quantise
from napari_centermask.deploy.compress.graph import LAYERS, count_parameters, gflops, inner_nodes, set_card
from napari_centermask.deploy.half_storage import store_half, with_float_weights, with_half_weights
from napari_centermask.engines.load import load_engine
from napari_centermask.models.store import zoo

TILES = [{"image": np.random.default_rng(n).normal(0.3, 0.4, (1, 1, 64, 96)).astype(np.float32)} for n in range(4)]


@pytest.fixture(scope="module")
def quantiser(models, tmp_path_factory):
    return quantise.StaticQuantiser(models["unet"].graphs[0], TILES, tmp_path_factory.mktemp("work"))


def maps_of(model, tiles=TILES):
    return np.concatenate([o[0].ravel() for o in quantise._run(model, tiles)])


def _saved(model, files, folder):
    set_card(model, files.card)
    onnx.save(model, folder / "unet.maps.onnx")
    return zoo.find_model(folder / "unet.maps.onnx")


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_int8_is_a_model_that_gives_nearly_the_same_maps(models, quantiser, tmp_path, engine):
    files = models["unet"]
    ours = _saved(quantiser.graph(), files, tmp_path)
    assert ours.size < 0.3 * with_float_weights(files.graphs[0]).ByteSize()
    expected, actual = (load_engine(m, engine=engine, device="cpu").maps(TILES[0]["image"]) for m in (files, ours))
    assert 0 < abs(expected - actual).max() < 0.1


def test_the_layer_that_predicts_stays_float(models, quantiser):
    inner = {node.name for node in inner_nodes(quantiser._model)}
    layers = [node.name for node in quantiser._model.graph.node if node.op_type in LAYERS]
    assert set(layers) - inner == {layers[-1]}
    made_by = {output: node.op_type for node in quantiser.graph().graph.node for output in node.output}
    (last,) = (node for node in quantiser.graph().graph.node if node.name == layers[-1])
    assert made_by.get(last.input[1]) is None


def test_a_layer_that_is_kept_float_keeps_its_weights(quantiser):
    first = quantiser.layers[0]
    kinds = [t.data_type for t in quantiser.graph(keep=[first]).graph.initializer if len(t.dims) == 4]
    all_kinds = [t.data_type for t in quantiser.graph().graph.initializer if len(t.dims) == 4]
    assert kinds.count(onnx.TensorProto.FLOAT) == all_kinds.count(onnx.TensorProto.FLOAT) + 1


def test_noise_names_each_layer_once_and_grows_with_what_is_quantised(quantiser):
    noise = dict(quantiser.noise())
    assert list(noise) == quantiser.layers
    assert all(0 < value < 0.1 for value in noise.values())


def test_16_bits_are_half_the_size_and_hardly_change_the_maps(models, tmp_path):
    path = tmp_path / "float.onnx"
    onnx.save(with_float_weights(models["unet"].graphs[0]), path)
    half = with_half_weights(path)
    assert len(half.SerializeToString()) < 0.65 * path.stat().st_size
    np.testing.assert_allclose(maps_of(half), maps_of(onnx.load(path)), atol=5e-3)


def test_factors_of_weights_of_16_bits_are_not_rounded(tmp_path):
    shape, factor = (512, 4, 1, 1), np.full((512, 1, 1, 1), 1.2345678, np.float32)
    weight = np.random.default_rng(0).normal(0, 1, shape).astype(np.float16).astype(np.float32)
    image, out = (
        helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["n", None, "h", "w"]) for n in ("image", "out")
    )
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "w"], ["out"])],
        "g",
        [image],
        [out],
        [numpy_helper.from_array(weight * factor, "w")],
    )
    path = tmp_path / "g.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    assert store_half(path, [weight]) == 0
    assert with_half_weights(path).graph == onnx.load(path).graph


def test_dynamic_quantisation_gives_nearly_the_same_maps(models, tmp_path):
    path = models["unet"].graphs[0]
    difference = abs(maps_of(quantise.dynamic(path, tmp_path / "d.onnx")) - maps_of(onnx.load(path)))
    assert 0 < difference.max() < 0.1


def test_operations_and_parameters_are_those_of_the_layers(models):
    path = models["unet"].graphs[0]
    width, side = 32, 512
    first = 2 * 9 * width * side**2 / 1e9  # 1 channel in
    assert first < gflops(path) < 2 * count_parameters([path]) * side**2 / 1e9
    network = sum(np.prod(t.dims) for t in with_float_weights(path).graph.initializer if len(t.dims) == 4)
    assert network <= count_parameters([path]) < 1.1 * network
