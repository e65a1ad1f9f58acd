"""A whole CenterMask as one ONNX file that other programs run without our code: image in; boxes, scores, classes, masks out.

The graphs `dense` and `roi`, which were checked on their own, are joined by two small ones (`graph_texts`): one that measures
the intensities, normalises and pads, and one that decodes boxes and removes duplicates. So nothing is traced again, and operators
that the exporter has no translation for, such as a stable sort, are not needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_centermask.core.errors import BadSettings
from napari_centermask.deploy.graph_texts import OPTIONS, decode_text, prepare_text
from napari_centermask.engines.graphs import LOCATIONS, ROI_OUTPUTS, pyramid_names
from napari_centermask.models.families import family_of
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.headers import CARD_KEY

if TYPE_CHECKING:
    from onnx import GraphProto

SUFFIX = ".detector.onnx"
"""Not one of the suffixes of a family's graphs: the file is for other programs."""
IMAGE = "image"
OUTPUTS = ("boxes", "scores", "classes", "masks", "quality", "image_index")


def can_be_joined(card: ModelCard) -> bool:
    """Whether the model has more than one graph."""
    return len(family_of(card).graphs) > 1


def check_card(card: ModelCard) -> None:
    """Raise `BadSettings` for a model that one graph cannot be."""
    if not can_be_joined(card):
        raise BadSettings(
            f"'{card.name}' is one graph in any case; a watershed outside separates its cells. Export it without --one-graph."
        )
    corrections = card.preprocess.model_dump(exclude_defaults=True)
    if corrections:
        raise BadSettings(
            f"One graph cannot do what '{card.name}' needs before the network: {', '.join(corrections)}. "
            "Export it without --one-graph, and correct the images outside."
        )


def join(dense: Path, roi: Path, path: Path, card: ModelCard) -> None:
    """Write one graph from the two.

    Raises
    ------
    BadSettings
        If the model needs more than one graph can do.
    """
    import onnx

    check_card(card)
    network = onnx.load(dense)
    header = f'<ir_version: {network.ir_version}, opset_import: ["" : {network.opset_import[0].version}]>'
    before, between = (onnx.parser.parse_model(header + text(card)) for text in (prepare_text, decode_text))
    parts = {"prepare": before, "dense": network, "decode": between, "roi": onnx.load(roi)}
    links = _links(len(network.graph.output) - len(LOCATIONS))
    for name, part in parts.items():
        onnx.compose.add_prefix(part, f"{name}/", inplace=True)
        _rename(part.graph, links)
    graphs = [part.graph for part in parts.values()]
    made = {v.name: v for graph in graphs for v in graph.output}
    asked = {v.name: v for graph in graphs for v in graph.input if v.name not in made}
    whole = onnx.helper.make_graph(
        [node for graph in graphs for node in graph.node],
        "detector",
        list(asked.values()),
        [made[name] for name in OUTPUTS],
        [tensor for graph in graphs for tensor in graph.initializer],
    )
    model = onnx.helper.make_model(whole, opset_imports=network.opset_import, ir_version=network.ir_version)
    onnx.helper.set_model_props(model, {CARD_KEY: card.to_json()})
    onnx.save(model, path)


def _links(n_levels: int) -> dict[str, str]:
    """Names that change: inputs take the name of the value that they are connected to, and the public ones lose their prefix."""
    levels = pyramid_names(n_levels)
    links = {"dense/image": "prepare/tile", "roi/image_area": "prepare/area", f"prepare/{IMAGE}": IMAGE}
    links |= {f"decode/{name}": f"dense/{name}" for name in LOCATIONS}
    links |= {f"decode/{name}": f"prepare/{name}" for name in ("size", "padded")}
    links |= {f"roi/{name}": f"dense/{name}" for name in levels} | {
        "roi/rois": "decode/rois",
        "roi/classes": "decode/indices",
    }
    links |= {f"decode/{name}": name for name in ("boxes", "scores", "classes", "image_index", *OPTIONS)}
    return links | {f"roi/{name}": name for name in ROI_OUTPUTS}


def _rename(graph: GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(name, name) for name in ends]
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for value in graph.output:
        if value.name in OUTPUTS:
            value.type.tensor_type.shape.dim[0].dim_param = "cells"
