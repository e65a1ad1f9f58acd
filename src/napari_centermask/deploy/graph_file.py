"""Write a module as an ONNX file: traced, simplified, checked, with the model's card in its metadata."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_centermask.core.errors import UserError
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.classifier_card import ClassifierCard
from napari_centermask.models.store.headers import CARD_KEY

OPSET = 20
"""Version of ONNX's operators: the newest that runtimes of 2024 read (ONNX Runtime 1.17, OpenVINO 2024, TensorRT 10)."""
OPSETS = (18, 19, 20, 21, 22, 23)
"""Those that the exporter writes; it silently raises 17 to 18."""
_NEXT = (20, 21, 23, 18)  # tried in this order if an operator cannot be written with the chosen one
TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""Your own: an operator of torch -> an onnxscript function that computes it (docs/export.md)."""
MOST_TILES, LONGEST_SIDE = 64, 8192
"""Bounds of the exporter's free sizes: choices beyond what the pipeline asks for, tiles of 4,096 one at a time."""
_OPERATOR = re.compile(r"OpOverload\(op='([\w.]+)', overload='(\w+)'\)")

Inputs = tuple[torch.Tensor | tuple[torch.Tensor, ...], ...]


class UnsupportedOperator(UserError):
    """The network has an operator that ONNX has no translation for."""

    page = "export#operators-that-onnx-does-not-have"


def any_size(step: int) -> tuple[dict[int, Any], ...]:
    """Any number of tiles, whose sides are multiples of `step`."""
    batch = torch.export.Dim("batch", min=1, max=MOST_TILES)
    height, width = (step * torch.export.Dim(n, min=1, max=LONGEST_SIDE // step) for n in ("height", "width"))
    return ({0: batch, 2: height, 3: width},)


def write_graph(
    module: nn.Module,
    example: Inputs,
    path: Path,
    card: ModelCard | ClassifierCard,
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: tuple[Any, ...],
    *,
    opset: int = OPSET,
) -> int:
    """Trace a module with an example and write it as ONNX, simplified and checked.

    Parameters
    ----------
    shapes
        For each input the axes whose size is free.
    opset
        If an operator cannot be written with it, others are tried.

    Returns
    -------
    int
        The opset that was written.

    Raises
    ------
    UnsupportedOperator
        Naming the operator and the modules of the network that use it.
    UserError
        If the graph is not valid, or a size that must be free is fixed.
    """
    module = module.eval()
    failure: Exception | None = None
    for number in dict.fromkeys((opset, *_NEXT)):
        try:
            program = _translate(module, example, list(inputs), list(outputs), shapes, number)
        except torch.onnx.errors.OnnxExporterError as error:
            failure = failure or error
            continue
        _check_free(program.model.graph.inputs, shapes)
        _forget_sources(program.model)
        program.model.metadata_props[CARD_KEY] = card.to_json()
        program.save(str(path), external_data=False)
        check_file(path)
        return int(program.model.opset_imports[""])
    assert failure is not None
    raise UnsupportedOperator(_explain(failure, module, example, shapes)) from failure


def _translate(
    module: nn.Module, example: Inputs, inputs: list[str], outputs: list[str], shapes: tuple[Any, ...], opset: int
) -> Any:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        return torch.onnx.export(
            module,
            example,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=opset,
            dynamo=True,
            optimize=True,  # folds constants and normalisation, and removes what has no effect
            external_data=False,
            custom_translation_table=TRANSLATIONS or None,
            verbose=False,
        )


def _check_free(inputs: Sequence[Any], shapes: tuple[Any, ...]) -> None:
    """Raise `UserError` if a size that must be free is fixed: a branch of the network that looks at it fixes it."""
    free = [axes for shape in shapes for axes in (shape if isinstance(shape, tuple) else (shape,))]
    for value, axes in zip(inputs, free, strict=True):
        fixed = {axis: value.shape[axis] for axis in axes or {} if isinstance(value.shape[axis], int)}
        if fixed:
            where = ", ".join(f"axis {axis} is {size}" for axis, size in fixed.items())
            raise UserError(
                f"The exported graph takes '{value.name}' in one size only ({where}), because a part of the network "
                "depends on it. Nothing was exported. Report the model's settings."
            )


def opset_of(path: Path) -> int:
    """The opset of a file."""
    import onnx

    return int(onnx.load(path, load_external_data=False).opset_import[0].version)


def check_file(path: Path) -> None:
    """Check a file against the standard, and infer the shape of every value.

    Raises
    ------
    UserError
        If they contradict one another, which would be a fault of the exporter.
    """
    import onnx

    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise UserError(
            f"The exported graph is not valid ONNX: {str(error).strip().splitlines()[0]}. Nothing was exported. "
            "Try another --opset, and report the model's settings."
        ) from error


def _explain(failure: Exception, module: nn.Module, example: Inputs, shapes: tuple[Any, ...]) -> str:
    """Which operator cannot be written, and where it is used."""
    text = "\n".join(str(error) for error in _chain(failure))
    found = _OPERATOR.search(text)
    if found is None:
        first = next(iter(str(failure).strip().splitlines()), type(failure).__name__)
        return f"The network cannot be written as ONNX: {first}. Nothing was exported. Use the torch engine."
    name, overload = found.groups()
    modules = ", ".join(dict.fromkeys(_users(f"{name}.{overload}", module, example, shapes))) or "the network"
    return (
        f"ONNX has no operator for {name}.{overload}, which is used in {modules}. Nothing was exported; opsets "
        f"{', '.join(map(str, OPSETS))} do not have it. Register a translation (docs/export.md), or use the torch engine."
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _users(operator: str, module: nn.Module, example: Inputs, shapes: tuple[Any, ...]) -> Iterator[str]:
    """The modules in which an operator is called, such as "model.backbone.top_block (TopBlock)"."""
    program = torch.export.export(module, example, dynamic_shapes=shapes, strict=False)
    for node in program.graph.nodes:
        if node.op == "call_function" and _operator_name(node.target) == operator:
            path, kind = next(reversed(node.meta.get("nn_module_stack", {"": ("", type(module))}).values()))
            kind = kind if isinstance(kind, str) else kind.__name__
            yield f"{path.removeprefix('L[' + chr(39) + 'self' + chr(39) + '].') or 'the network'} ({kind.rpartition('.')[2]})"


def _operator_name(target: object) -> str:
    """As in the exporter's messages: "aten.sort.stable"."""
    return str(target).replace("::", ".")


def _forget_sources(model: Any) -> None:
    """Remove the exporter's notes on every node and value: stack traces with the paths of the machine."""
    graphs = [model.graph, *model.functions.values()]
    for graph in graphs:
        graph.metadata_props.clear()
        for node in graph.all_nodes():
            node.metadata_props.clear()
            node.doc_string = None
            for value in (*node.inputs, *node.outputs):
                if value is not None:
                    value.metadata_props.clear()
        for value in (*graph.inputs, *graph.outputs):
            value.metadata_props.clear()
