"""The cells that torch and the exported graphs find in real images must be the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from napari_centermask.core.instances import Instance
from napari_centermask.deploy.parity import LEAST_IOU, SINGLE_PIXELS, TOLERANCE, CellParity, ParityError
from napari_centermask.engines import AnyEngine
from napari_centermask.engines.torch import engine_of
from napari_centermask.evaluation.matching import match, pair
from napari_centermask.io.images import read_image
from napari_centermask.models.families import Family, family_of
from napari_centermask.models.nets.network import Network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline import score_of, segment
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.settings import SegmentSettings

SAMPLES = {"nuclei_fluorescence_small": 22.0, "livedead_brightfield": 22.0, "yeast_brightfield_16bit": 20.0}
"""Included images and the diameters of their cells in pixels; small, with sides of 256, 220 and 117 pixels."""
_LARGEST = 512  # pixels of a sample at the model's scale: a choice, enough for cells of 100 pixels
_TILE = 320  # of which the outputs are compared: in larger ones, float32 itself rounds sums over the whole tile by more
_FOLDER = Path(__file__).parents[1] / "resources" / "samples"
Images = Mapping[str, np.ndarray]


def sample_images(card: ModelCard) -> Images:
    """Included images of one channel; for a model whose channels have names, with shifted copies of it as the others."""
    return {name: _sample(name, card) for name in SAMPLES}


def _sample(name: str, card: ModelCard) -> np.ndarray:
    most = round(_LARGEST * SAMPLES[name] / card.diameter)
    image = np.asarray(read_image(_FOLDER / f"{name}.png").data)
    plane = image.reshape(image.shape[-2:])[:most, :most]
    if not card.channel_names:
        return plane[None]
    return np.stack([np.roll(plane, 5 * n, axis=(0, 1)) for n in range(card.model.in_channels)])


def at_own_scale(name: str, image: np.ndarray, card: ModelCard) -> np.ndarray:
    """(C, H, W) float32 with the model's channels, that of a grey image repeated; a sample at the model's own scale."""
    scale = card.diameter / SAMPLES[name] if name in SAMPLES else 1.0
    size = max(1, round(image.shape[2] * scale)), max(1, round(image.shape[1] * scale))
    planes = [np.asarray(Image.fromarray(p.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)) for p in image]
    return np.stack(planes * card.model.in_channels if len(planes) == 1 else planes)


def network_input(image: np.ndarray, card: ModelCard) -> np.ndarray:
    """(1, C, H, W) float32: an image as the network sees it, at its own scale."""
    scaled = ModelInput.of(image, card, _settings(card)).scaled(1.0)
    return scaled.read((0, 0, *scaled.shape))


def network_tiles(images: Images, card: ModelCard) -> list[np.ndarray]:
    """Parts of the images as `network_input`; samples at the scale at which their cells have the model's diameter."""
    parts = (at_own_scale(name, image, card)[:, :_TILE, :_TILE] for name, image in images.items())
    return [network_input(part, card) for part in parts]


def _settings(card: ModelCard, diameter: float | None = None) -> SegmentSettings:
    return SegmentSettings(diameter=diameter, channel_names=list(card.channel_names) or None)


def compare_cells(model: Network, card: ModelCard, graphs: Sequence[Path], images: Images) -> list[CellParity]:
    """Segment images with torch and with the graphs on ONNX Runtime.

    Raises
    ------
    ParityError
        If a cell is found by one of them only, or its masks have an IoU below 0.999 and differ by more than two pixels. A
        cell whose score is within the tolerance of the lowest that counts may be missing.
    """
    family = family_of(card)
    reference = engine_of(model, card)
    ours: AnyEngine = Family.load(family.engines["onnx"])(*graphs, card, device="cpu")
    return [
        _compare(name, image, reference, ours, _settings(card, SAMPLES.get(name))) for name, image in images.items()
    ]


def same_cells(expected: list[Instance], actual: list[Instance]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of cells whose masks are the same but for rounding, and their IoU; as `evaluation.matching.match`."""
    pairs = pair(expected, actual)
    others = np.rint(pairs.shared / pairs.iou) - pairs.shared  # pixels of one mask alone
    same = (pairs.iou >= LEAST_IOU) | (others <= SINGLE_PIXELS)
    kept = replace(pairs, **{name: getattr(pairs, name)[same] for name in ("truth", "predicted", "iou", "shared")})
    return match(kept, 0.0)


def _compare(
    name: str, image: np.ndarray, reference: AnyEngine, ours: AnyEngine, settings: SegmentSettings
) -> CellParity:
    expected, actual = (list(segment(image, engine, settings)) for engine in (reference, ours))
    rows, columns, iou = same_cells(expected, actual)
    least = score_of(settings, reference) + TOLERANCE
    lost = [c for n, c in enumerate(expected) if n not in rows and (c.score or 0) > least]
    extra = [c for n, c in enumerate(actual) if n not in columns and (c.score or 0) > least]
    if lost or extra:
        raise ParityError(
            f"In {name}, torch finds {len(expected)} cells and ONNX Runtime {len(actual)}; {len(lost)} and {len(extra)} of "
            f"them have no partner with the same mask (IoU below {LEAST_IOU}). Nothing was exported. Use the torch "
            "engine, or report the model's settings."
        )
    scores = [abs((expected[r].score or 0) - (actual[c].score or 0)) for r, c in zip(rows, columns, strict=True)]
    return CellParity(name, len(expected), float(min(iou, default=1.0)), float(max(scores, default=0.0)))
