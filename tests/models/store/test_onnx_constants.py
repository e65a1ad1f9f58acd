"""Constants of ONNX files are in the file and as large as they claim, before a runtime sees them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from napari_centermask.core.errors import BadModel
from napari_centermask.models.store.onnx_constants import check_constants
from napari_centermask.models.store.zoo import find_model, shipped_folder


def graph(*, constants=(), nodes=()):
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])
    out = helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, 3, "h", "w"])
    nodes = [*nodes, helper.make_node("Identity", ["image"], ["maps"])]
    return helper.make_model(helper.make_graph(nodes, "g", [image], [out], list(constants)))


def huge():
    tensor = onnx.numpy_helper.from_array(np.ones(4, np.float32), "weights")
    tensor.dims[:] = [1 << 20, 1 << 20]
    return tensor


def outside():
    tensor = onnx.numpy_helper.from_array(np.ones(4, np.float32), "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    return tensor


def unpacked_claim():
    tensor = helper.make_tensor("weights", TensorProto.FLOAT, [2], [1.0, 2.0])
    tensor.dims[:] = [1 << 40]
    return tensor


def test_included_graphs_pass():
    paths = list(shipped_folder().glob("*/*.onnx"))
    assert paths
    for path in paths:
        check_constants(path)


@pytest.mark.parametrize("make", [huge, outside, unpacked_claim])
@pytest.mark.parametrize("place", ["initialiser", "attribute", "branch"])
def test_a_hostile_constant_is_refused_wherever_it_is(tmp_path, make, place):
    node = helper.make_node("Constant", [], ["c"], value=make())
    if place == "initialiser":
        model = graph(constants=[make()])
    elif place == "attribute":
        model = graph(nodes=[node])
    else:
        branch = helper.make_graph([node], "b", [], [helper.make_tensor_value_info("c", TensorProto.FLOAT, None)])
        model = graph(nodes=[helper.make_node("If", ["condition"], ["d"], then_branch=branch, else_branch=branch)])
    (tmp_path / "x.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BadModel, match="refused: .*weights"):
        check_constants(tmp_path / "x.onnx")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no graph", b"\x3a\xff\xff\xff\xff\x0f"])
def test_other_files_are_no_onnx(tmp_path, content):
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(BadModel, match="x.onnx"):
        check_constants(tmp_path / "x.onnx")


def test_a_truncated_graph_is_refused(tmp_path):
    whole = find_model("unet-nuclei").graphs[0].read_bytes()
    (tmp_path / "x.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadModel, match="x.onnx"):
        check_constants(tmp_path / "x.onnx")


def test_a_foreign_graph_with_a_card_of_ours_is_refused(tmp_path):
    model = graph()
    model.graph.input[0].name, model.graph.node[0].input[0] = "pixels", "pixels"
    model.graph.output[0].name, model.graph.node[0].output[0] = "probabilities", "probabilities"
    helper.set_model_props(model, {"card": find_model("unet-nuclei").card.to_json()})
    (tmp_path / "x.maps.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BadModel, match="not a graph of this program: its inputs and outputs are pixels, probabilities"):
        find_model(tmp_path / "x.maps.onnx")


@pytest.mark.parametrize("metadata", [{}, {"card": "{}"}, {"card": "no JSON"}])
def test_a_graph_without_a_card_is_refused(tmp_path, metadata):
    model = graph()
    helper.set_model_props(model, metadata)
    (tmp_path / "x.maps.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BadModel, match="card"):
        find_model(tmp_path / "x.maps.onnx")
