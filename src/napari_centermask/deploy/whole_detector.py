"""Export a CenterMask as one graph, if it finds what torch finds."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.tiles import Tile, owned
from napari_centermask.deploy.export import Say, check_opset, check_packages, export
from napari_centermask.deploy.graph_file import OPSET, check_file, opset_of
from napari_centermask.deploy.one_graph import IMAGE, OUTPUTS, SUFFIX, check_card, join
from napari_centermask.deploy.parity import LEAST_IOU, TOLERANCE, CellParity, Parity, ParityError, open_session
from napari_centermask.deploy.real_images import Images, at_own_scale, network_input, network_tiles, sample_images
from napari_centermask.engines.decode import detect
from napari_centermask.engines.torch import engine_of
from napari_centermask.io.whole_file import whole_file
from napari_centermask.models.families import check_exports, family_of
from napari_centermask.models.nets.network import Network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline.segmentation import with_card_defaults
from napari_centermask.settings import SegmentSettings

_ODD = ((1, 1), (7, 65), (97, 131))
"""(height, width) of images that the graph must run on: one pixel, and no multiples of anything."""
_BOX = 1e-2
"""Largest difference of a box in pixels: a choice, far below what a mask shows."""

Cells = tuple[np.ndarray, ...]
"""Boxes (N, 4), scores (N,), classes (N,) and masks (N, s, s) of an image; the graph counts classes from 1."""


def export_detector(
    model: Network,
    card: ModelCard,
    folder: Path,
    *,
    name: str | None = None,
    graphs: Sequence[Path] | None = None,
    opset: int = OPSET,
    images: Images | None = None,
    say: Say = lambda text: None,
) -> Parity:
    """Write NAME.detector.onnx: image in; boxes, scores, classes and masks out.

    Parameters
    ----------
    graphs
        Exported `dense` and `roi` of this model, whose opset it then has; by default they are made, and not kept.
    images
        (C, H, W) arrays by name, to compare the cells in; by default included samples.

    Raises
    ------
    BadSettings
        If one graph cannot do what the model needs.
    ParityError
        If it finds other cells than torch; nothing is written.
    """
    check_exports(card)
    check_packages()
    check_opset(opset)
    check_card(card)
    name = name or card.name
    model = copy.deepcopy(model).float().cpu().eval()
    images = sample_images(card) if images is None else images
    with whole_file(Path(folder) / f"{name}{SUFFIX}") as part, tempfile.TemporaryDirectory() as temporary:
        if graphs is None:
            parity = export(model, card, Path(temporary), name=name, opset=opset, images={}, say=say)
            graphs = [Path(temporary) / f"{name}.{kind}.onnx" for kind in ("dense", "roi")]
        else:
            say("Comparing with torch")
            family = family_of(card)
            paths = dict(zip(family.graphs, graphs, strict=True))
            parity = family.load(family.exporter).check(model, paths, network_tiles(images, card))
            parity.opset = opset_of(graphs[0])
        say("Joining the graphs")
        join(graphs[0], graphs[1], part, card)
        check_file(part)
        say("Comparing the cells in real images")
        parity.images = compare_detector(model, card, part, images)
    return parity


def compare_detector(model: Network, card: ModelCard, path: Path, images: Images) -> list[CellParity]:
    """Run the graph and torch on images at the model's own scale.

    Raises
    ------
    ParityError
        If a cell is found by one of them only, or its masks have an IoU below 0.999; or if an image of one pixel or of odd sides
        fails.
    """
    session = open_session(path)
    for shape in _ODD:
        noise = np.random.default_rng(0).random((2, card.model.in_channels, *shape), np.float32)
        outputs = session.run(None, {IMAGE: noise, "score": np.array(1, np.float32)})
        if any(len(output) for output in outputs):
            raise ParityError(
                f"The graph finds cells of a score above 1 in noise of {shape} pixels. Nothing was exported."
            )
    whole = {name: at_own_scale(name, image, card) for name, image in images.items()}
    return [_compare(name, *_both(model, card, session, image)) for name, image in whole.items()]


def _both(model: Network, card: ModelCard, session: Any, image: np.ndarray) -> tuple[Cells, Cells]:
    """The cells of torch, found as the pipeline does in a single tile, and those of the graph."""
    settings = with_card_defaults(SegmentSettings(), card)
    engine: Any = engine_of(model, card)
    features = engine.features(network_input(image, card))
    found = detect(features, card, score=settings.score, nms=settings.nms, across=True)
    whole = (0, 0, *image.shape[1:])
    found = found[owned(found.boxes, Tile(whole, whole))]
    masks, _ = engine.masks(features, found.boxes, found.classes)
    outputs = dict(zip(OUTPUTS, session.run(list(OUTPUTS), {IMAGE: image[None].astype(np.float32)}), strict=True))
    return (found.boxes, found.scores, found.classes, masks), tuple(outputs[n] for n in OUTPUTS[:4])


def _compare(image: str, expected: Cells, actual: Cells) -> CellParity:
    """Match the cells by their boxes, as equal scores may come in another order."""
    boxes, scores, classes, masks = expected
    if len(boxes) != len(actual[0]):
        raise ParityError(
            f"In {image}, torch finds {len(boxes)} cells and the graph {len(actual[0])}. Nothing was exported."
        )
    worst_iou, worst_score = 1.0, 0.0
    for k, box in enumerate(boxes):
        distance = np.abs(actual[0] - box).max(axis=1) + (actual[2] != classes[k] + 1) * 1e9
        j = int(distance.argmin())
        a, b = masks[k] >= 0.5, actual[3][j] >= 0.5
        iou = float((a & b).sum() / max((a | b).sum(), 1)) if (a | b).any() else 1.0
        difference = float(abs(scores[k] - actual[1][j]))
        if distance[j] > _BOX or iou < LEAST_IOU or difference > TOLERANCE:
            raise ParityError(
                f"In {image}, a cell of torch differs in the graph: its box by {distance[j]:.3g} pixels, its score by "
                f"{difference:.3g}, with a mask IoU of {iou:.4f}. Nothing was exported."
            )
        worst_iou, worst_score = min(worst_iou, iou), max(worst_score, difference)
    return CellParity(image, len(boxes), worst_iou, worst_score)
