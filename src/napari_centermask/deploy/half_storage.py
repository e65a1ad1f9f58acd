"""Store a graph's weights as float16 where that is exact, so that its file takes half the space and computes the same.

The exporter folds each batch normalisation into the convolution before it, whose weights are then no float16 any more.
Here they are written as what they were made of: the network's own float16 weights, and one float32 factor per channel.
Every engine multiplies them when it loads the graph, so nothing is slower afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

SMALLEST = 256
"""Tensors with fewer values stay as they are; a choice: they hardly count in the size."""
FACTOR = ".factor"
"""End of the name of a tensor with the factors of a weight's channels."""
_Parts = tuple[np.ndarray, np.ndarray | None]  # float32 values for float16, and a factor for each channel
CLOSE = 2e-6
"""Largest relative difference of a weight written as a product: a few roundings of float32."""


def store_half(path: Path, weights: Iterable[np.ndarray]) -> int:
    """Rewrite a graph with float16 weights, and return how many of its float32 values stay.

    Parameters
    ----------
    path
        An ONNX file; replaced.
    weights
        The parameters of the network, float32. Only those that float16 holds exactly are used.
    """
    import onnx

    model = onnx.load(path)
    exact = [w for w in weights if w.size >= SMALLEST and _is_exact(w)]
    stay = _store(model, lambda values: _parts(values, exact))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return stay


def with_half_weights(path: Path) -> ModelProto:
    """A graph with all of its weights stored as float16 and computed in float32: results within 11 bits of the weights."""
    import onnx

    model = onnx.load(path)
    _store(model, lambda values: (values, None))
    return model


def _store(model: ModelProto, parts_of: Callable[[np.ndarray], _Parts | None]) -> int:
    """Write large float32 tensors as their parts, and return how many float32 values stay; factors are no weights."""
    from onnx import numpy_helper

    graph = model.graph
    tensors, nodes, stay = [], [], 0
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        is_weight = values.dtype == np.float32 and values.size >= SMALLEST and not tensor.name.endswith(FACTOR)
        parts = parts_of(values) if is_weight else None
        if parts is None:
            tensors.append(tensor)
            stay += values.size if values.dtype == np.float32 else 0
        else:
            more, steps = _product(tensor.name, *parts)
            tensors += more
            nodes += steps
    nodes += graph.node
    for field, contents in ((graph.initializer, tensors), (graph.node, nodes)):
        del field[:]
        field.extend(contents)
    return stay


def round_to_half(network: nn.Module) -> None:
    """Round the weights of convolutions and linear layers in place to values that float16 holds, as `save_model` stores them.

    Weights with a value beyond float16 stay as they are.
    """
    for parameter in network.parameters():
        rounded = parameter.data.half().float()
        if parameter.dim() > 1 and bool(rounded.isfinite().all()):
            parameter.data = rounded


def with_float_weights(path: Path) -> ModelProto:
    """A graph whose weights are float32 tensors again, as quantisers want them."""
    import onnx
    from onnx import TensorProto, numpy_helper

    model = onnx.load(path)
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    values: dict[str, np.ndarray] = {}
    nodes = []
    for node in graph.node:
        given = [tensors[n] for n in node.input if n in tensors]
        if node.op_type == "Cast" and given and given[0].data_type == TensorProto.FLOAT16:
            values[node.output[0]] = numpy_helper.to_array(given[0]).astype(np.float32)
        elif node.op_type == "Mul" and node.input[0] in values and node.input[1] in tensors:
            values[node.output[0]] = values[node.input[0]] * numpy_helper.to_array(given[0])
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input} | {value.name for value in graph.output}
    kept = [tensor for name, tensor in tensors.items() if name in used]
    kept += [numpy_helper.from_array(array, name) for name, array in values.items() if name in used]
    for field, contents in ((graph.initializer, kept), (graph.node, nodes)):
        contents = list(contents)
        del field[:]
        field.extend(contents)
    return model


def _is_exact(values: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.array_equal(values.astype(np.float16).astype(np.float32), values))


def _parts(values: np.ndarray, weights: list[np.ndarray]) -> _Parts | None:
    """A tensor as weights that float16 holds, and the factor of each channel; None if it is not made of them."""
    if _is_exact(values):
        return values, None
    for weight in weights:
        if weight.shape == values.shape:
            factor = _factor(values, weight)
            if factor is not None:
                return weight, factor
    return None


def _factor(values: np.ndarray, weight: np.ndarray) -> np.ndarray | None:
    """One factor per first axis with `values = weight * factor`, shaped to multiply; None if there is none."""
    rows, folded = weight.reshape(len(weight), -1), values.reshape(len(values), -1)
    place = np.abs(rows).argmax(1)[:, None]
    largest = np.take_along_axis(rows, place, 1)
    factor = np.divide(np.take_along_axis(folded, place, 1), largest, out=np.zeros_like(largest), where=largest != 0)
    if np.any(np.abs(rows * factor - folded) > CLOSE * np.abs(folded) + 1e-30):
        return None
    return factor.reshape(-1, *[1] * (values.ndim - 1))


def _product(name: str, weight: np.ndarray, factor: np.ndarray | None) -> tuple[list[Any], list[Any]]:
    """The tensors and nodes that give the value `name`."""
    from onnx import TensorProto, helper, numpy_helper

    half, cast = f"{name}.half", name if factor is None else f"{name}.float"
    tensors = [numpy_helper.from_array(weight.astype(np.float16), half)]
    nodes = [helper.make_node("Cast", [half], [cast], name=cast, to=TensorProto.FLOAT)]
    if factor is not None:
        tensors.append(numpy_helper.from_array(factor, f"{name}{FACTOR}"))
        nodes.append(helper.make_node("Mul", [cast, f"{name}{FACTOR}"], [name], name=name))
    return tensors, nodes
