import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from napari_centermask.deploy.half_storage import round_to_half, store_half, with_float_weights

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(0, 0.1, (16, 8, 3, 3)).astype(np.float16).astype(np.float32)
FACTOR = RNG.uniform(0.2, 3, (16, 1, 1, 1)).astype(np.float32)


def graph(path, weight, folded):
    """A convolution with the folded weights, then one with the weights themselves transposed to its channels."""
    image, out = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 8, "h", "w"]) for n in ("image", "out"))
    back = np.ascontiguousarray(weight.transpose(1, 0, 2, 3))
    tensors = [numpy_helper.from_array(folded, "folded"), numpy_helper.from_array(back, "back")]
    nodes = [
        helper.make_node("Conv", ["image", "folded"], ["middle"], pads=[1] * 4),
        helper.make_node("Conv", ["middle", "back"], ["out"], pads=[1] * 4),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [image], [out], tensors),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    helper.set_model_props(model, {"card": "kept"})
    onnx.save(model, path)
    return path


def run(path):
    x = np.random.default_rng(1).normal(0, 1, (1, 8, 24, 20)).astype(np.float32)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"image": x})[0]


def test_weights_take_half_the_space_and_compute_the_same(tmp_path):
    path = graph(tmp_path / "g.onnx", WEIGHT, WEIGHT * FACTOR)
    before, size = run(path), path.stat().st_size
    assert store_half(path, [WEIGHT]) == 0
    assert path.stat().st_size < 0.6 * size
    assert np.abs(run(path) - before).max() < 1e-5 * np.abs(before).max()
    assert {p.key: p.value for p in onnx.load(path).metadata_props} == {"card": "kept"}


@pytest.mark.parametrize("change", [1e-4, 1.0])
def test_tensors_that_are_no_product_stay_float32(tmp_path, change):
    folded = WEIGHT * FACTOR
    folded[3, 2, 1, 1] *= 1 + change
    path = graph(tmp_path / "g.onnx", WEIGHT, folded)
    before = run(path)
    assert store_half(path, [WEIGHT]) == folded.size
    np.testing.assert_array_equal(run(path), before)


def test_channels_of_zeros_and_weights_beyond_float16_are_kept_exactly(tmp_path):
    weight = WEIGHT.copy()
    weight[5] = 0
    path = graph(tmp_path / "g.onnx", weight * 1e6, weight)
    before = run(path)
    assert store_half(path, [weight * 1e6]) == weight.size  # 1e6 is no float16
    assert np.isfinite(before).all()
    np.testing.assert_array_equal(run(path), before)


def test_the_weights_are_tensors_of_float32_again(tmp_path):
    path = graph(tmp_path / "g.onnx", WEIGHT, WEIGHT * FACTOR)
    before = run(path)
    store_half(path, [WEIGHT])
    onnx.save(with_float_weights(path), tmp_path / "whole.onnx")
    whole = onnx.load(tmp_path / "whole.onnx").graph
    assert {t.name: (t.data_type, tuple(t.dims)) for t in whole.initializer} == {
        "folded": (TensorProto.FLOAT, WEIGHT.shape),
        "back": (TensorProto.FLOAT, (8, 16, 3, 3)),
    }
    assert [node.op_type for node in whole.node] == ["Conv", "Conv"]
    np.testing.assert_allclose(run(tmp_path / "whole.onnx"), before, atol=1e-5 * np.abs(before).max())


def test_rounding_leaves_statistics_and_weights_beyond_float16_alone():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 3))
    network[1].running_var.fill_(1e5)
    network[2].weight.data.fill_(1e5)
    before = network[0].weight.clone()
    round_to_half(network)
    assert network[1].running_var.tolist() == [1e5, 1e5]
    assert network[2].weight.unique().tolist() == [1e5]
    assert torch.equal(network[0].weight, before.half().float())
    assert not torch.equal(network[0].weight, before)
