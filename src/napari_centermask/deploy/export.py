"""Export to ONNX: the graphs of a model's family, written only if they agree with torch.

A U-Net is one graph, `maps`. A CenterMask is two, `dense` and `roi`, so that thresholds stay free at run time and boxes
drawn by hand use the same features.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from napari_centermask.core.errors import MissingExtra, UserError
from napari_centermask.core.extras import how_to_install
from napari_centermask.engines.graphs import CARD_KEY
from napari_centermask.io.whole_file import whole_files
from napari_centermask.models.families import family_of
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.classifier_card import ClassifierCard
from napari_centermask.models.store.zoo import graph_suffix

OPSET = 20  # 17 is silently raised to 18 by the exporter; 21 is too new for older runtimes
SHAPES = ((1, 512, 512), (2, 320, 256), (1, 96, 416))
"""(tiles, height, width) that a graph is checked with: one and several, high and wide; a choice."""
MOST_TILES, LONGEST_SIDE, MOST_REGIONS = 64, 8192, 1_000_000
"""Bounds of the exporter's free sizes: choices beyond what the pipeline asks for, tiles of 4,096 one at a time."""
TOLERANCE = {
    "p2": 1e-3,
    "p3": 1e-3,
    "p4": 1e-3,
    "p5": 1e-3,
    "logits": 1e-3,
    "ltrb": 2e-2,
    "centerness": 1e-3,
    "masks": 1e-3,
    "quality": 1e-3,
    "maps": 1e-3,
}
"""Largest absolute difference between torch and ONNX Runtime; ltrb is in pixels. Those of `nuclei` are a hundred times
smaller, 9e-6 and 5e-5 (`export_centermask.check_parity`)."""


class ParityError(UserError):
    """The exported graphs do not compute what torch computes."""


@dataclass(frozen=True)
class Parity:
    """Largest absolute difference of each output over all checked shapes."""

    differences: dict[str, float]
    shapes: tuple[tuple[int, int, int], ...] = SHAPES


def export(model: nn.Module, card: ModelCard, folder: Path, *, name: str | None = None) -> Parity:
    """Write the graphs of the model's family, after checking them against torch.

    Parameters
    ----------
    model
        In evaluation mode, float32, on the CPU.
    card
        The model card; written into every file.

    Returns
    -------
    Parity
        The measured differences.

    Raises
    ------
    ParityError
        If an output differs by more than `TOLERANCE`; nothing is written.
    MissingExtra
        If onnx, onnxscript or onnxruntime is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"Export needs {error.name}: {how_to_install('train')}") from error
    name = name or card.name
    model = copy.deepcopy(model).float().cpu().eval()
    family = family_of(card)
    with whole_files([Path(folder) / f"{name}{graph_suffix(graph)}" for graph in family.graphs]) as paths:
        parts = dict(zip(family.graphs, paths, strict=True))
        parity: Parity = family.load(family.exporter)(model, parts, card)
    return parity


def any_size(step: int) -> tuple[dict[int, Any], ...]:
    """Any number of tiles, whose sides are multiples of `step`."""
    batch = torch.export.Dim("batch", min=1, max=MOST_TILES)
    height, width = (step * torch.export.Dim(n, min=1, max=LONGEST_SIDE // step) for n in ("height", "width"))
    return ({0: batch, 2: height, 3: width},)


def write_graph(
    module: nn.Module,
    example: tuple[torch.Tensor | tuple[torch.Tensor, ...], ...],
    path: Path,
    card: ModelCard | ClassifierCard,
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: tuple[Any, ...],
) -> None:
    """Trace a module with an example and write it as ONNX, the card in its metadata."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        program = torch.onnx.export(
            module.eval(),
            example,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _forget_sources(program.model)
    program.model.metadata_props[CARD_KEY] = card.to_json()
    program.save(str(path), external_data=False)


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


def open_session(path: Path) -> Any:
    """A graph on ONNX Runtime and the CPU, to compare with torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def accepted(worst: dict[str, float], shapes: tuple[tuple[int, int, int], ...] = SHAPES) -> Parity:
    """Return the differences if all are small enough."""
    for name, difference in worst.items():
        if not difference <= TOLERANCE[name]:
            raise ParityError(
                f"ONNX Runtime differs from torch by {difference:.3g} for '{name}', more than {TOLERANCE[name]:g}. "
                "Nothing was exported. Use the torch engine, or report the model's settings."
            )
    return Parity(worst, shapes)


def compare(
    worst: dict[str, float], names: Sequence[str], expected: Iterable[torch.Tensor], actual: Iterable[np.ndarray]
) -> None:
    """Update `worst` with the largest absolute differences of the outputs."""
    for name, a, b in zip(names, expected, actual, strict=True):
        if a.numel():
            worst[name] = max(worst[name], float(np.abs(a.numpy() - b).max()))
