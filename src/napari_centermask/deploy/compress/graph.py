"""What an ONNX graph holds: the layers that may be quantised, how many parameters, how much it computes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.deploy.half_storage import FACTOR
from napari_centermask.engines.graphs import CARD_KEY, DENSE_INPUT

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from napari_centermask.models.store.card import ModelCard

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators with weights."""
AROUND = ("Add", "AveragePool", "Concat", "GlobalAveragePool", "MaxPool", "Mul", "ReduceMean", "Relu", "Resize")
"""Operators between them that may be computed in 8 bits too."""


def inner_nodes(model: ModelProto) -> list[NodeProto]:
    """The nodes that may be quantised: those from the first layer to the one before the last.

    What predicts (the last layer on each way to an output) and what follows stays float: a box of 300 pixels in 256 steps would
    be off by one. So does what precedes the first layer: the arithmetic of the regions.
    """
    consumers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    before_layer: set[str] = set()  # nodes with a layer behind them
    for node in reversed(model.graph.node):
        following = [c for output in node.output for c in consumers.get(output, [])]
        if any(c.op_type in LAYERS or c.name in before_layer for c in following):
            before_layer.add(node.name)
    reached: set[str] = set()  # values that depend on a layer
    inner = []
    for node in model.graph.node:
        is_layer = node.op_type in LAYERS
        if is_layer or any(name in reached for name in node.input):
            reached.update(node.output)
            if (is_layer or node.op_type in AROUND) and node.name in before_layer:
                inner.append(node)
    return inner


def name_nodes(model: ModelProto) -> None:
    """Give each node a short name of its own; the exporter's are long, and optimisers leave some without."""
    for number, node in enumerate(model.graph.node):
        node.name, node.doc_string = f"{node.op_type}_{number}", ""


def set_card(model: ModelProto, card: ModelCard) -> None:
    """Replace all metadata of a graph with a card."""
    del model.metadata_props[:]
    model.metadata_props.add(key=CARD_KEY, value=card.to_json())


def count_parameters(paths: Iterable[Path]) -> int:
    """Weights and biases in graphs, however they are stored; factors, scales and zero points of the storage are not counted."""
    import onnx

    total = 0
    for path in paths:
        graph = onnx.load(path).graph
        extra = {n for node in graph.node if node.op_type.endswith("QuantizeLinear") for n in node.input[1:]}
        extra |= {n for node in graph.node if node.op_type == "DequantizeLinear" for n in node.input[1:]}
        weights = [t for t in graph.initializer if t.name not in extra and not t.name.endswith(FACTOR)]
        total += sum(int(np.prod(t.dims)) for t in weights if np.prod(t.dims) > 1)
    return total


def gflops(path: Path, *, side: int = 512) -> float:
    """Operations of a float graph of an image on a tile of this side, in thousands of millions: two for each multiplication.

    Raises
    ------
    ValueError
        If the graph has no image as its input.
    """
    import onnx

    model = onnx.load(path)
    image = next((value for value in model.graph.input if value.name == DENSE_INPUT), None)
    if image is None:
        raise ValueError(f"{path.name} has no input '{DENSE_INPUT}'.")
    for dim, size in zip(image.type.tensor_type.shape.dim, (1, None, side, side), strict=True):
        if size is not None:
            dim.dim_value = size
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    known = [*graph.input, *graph.value_info, *graph.output]
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in known}
    weights = {t.name: list(t.dims) for t in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            place = shapes[node.output[0] if node.op_type == "Conv" else node.input[0]]
            weight = weights.get(node.input[1]) or shapes[node.input[1]]  # stored as they are, or in 16 bits
            total += 2 * int(np.prod(weight)) * int(np.prod(place[2:]))
    return total / 1e9
