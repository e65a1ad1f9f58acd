"""The graphs of a CenterMask, `dense` and `roi`; detection happens between them and is shared by all engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from napari_centermask.deploy.graph_file import MOST_TILES, any_size, write_graph
from napari_centermask.deploy.parity import SHAPES, Parity, open_session
from napari_centermask.engines.graphs import DENSE_INPUT, ROI_OUTPUTS, dense_outputs, roi_inputs
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.store.card import ModelCard

MOST_REGIONS = 1_000_000
"""Bound of the exporter's free number of regions: a choice, beyond what an image has."""
_COUNTS = (37, 0, 1)  # regions that the roi graph is checked with, in turn


def write(model: CenterMask, paths: Mapping[str, Path], card: ModelCard, opset: int) -> int:
    """Write both graphs; return the opset of the first."""
    written = _write_dense(model, paths["dense"], card, opset)
    return _write_roi(model, paths["roi"], card, written)


class _Dense(nn.Module):
    def __init__(self, model: CenterMask) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pyramid, *rest = self.model.dense(image)
        return (*pyramid, *rest)


class _Roi(nn.Module):
    def __init__(self, model: CenterMask) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, pyramid: tuple[torch.Tensor, ...], rois: torch.Tensor, classes: torch.Tensor, image_area: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits, quality = self.model.roi(pyramid, rois, classes, image_area)
        # Unused inputs stay part of the graph, so that every model has the same inputs.
        return logits.sigmoid(), quality + 0.0 * (image_area.sum() + classes.sum().to(quality.dtype))


def _write_dense(model: CenterMask, path: Path, card: ModelCard, opset: int) -> int:
    example = torch.randn(2, model.settings.in_channels, 256, 320)
    outputs = dense_outputs(_n_levels(model))
    return write_graph(_Dense(model), (example,), path, card, [DENSE_INPUT], outputs, any_size(32), opset=opset)


def _n_levels(model: CenterMask) -> int:
    return len(model.settings.pooled_levels)


def _write_roi(model: CenterMask, path: Path, card: ModelCard, opset: int) -> int:
    with torch.no_grad():
        pyramid, *_ = model.dense(torch.randn(2, model.settings.in_channels, 256, 320))
    rois, classes = _random_rois(7, 2, (256, 320), len(model.settings.categories), np.random.default_rng(0))
    batch, count = torch.export.Dim("batch", min=1, max=MOST_TILES), torch.export.Dim("rois", min=0, max=MOST_REGIONS)
    n = _n_levels(model)
    maps = tuple({0: batch, 2: torch.export.Dim(f"h{i}", min=1), 3: torch.export.Dim(f"w{i}", min=1)} for i in range(n))
    example = (tuple(pyramid), rois, classes, torch.tensor([256.0 * 320.0]))
    shapes = (maps, {0: count}, {0: count}, None)
    return write_graph(_Roi(model), example, path, card, roi_inputs(n), ROI_OUTPUTS, shapes, opset=opset)


def _random_rois(
    n: int, batch: int, size: tuple[int, int], classes: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Regions of 8 pixels up to the whole tile, so that every pyramid level is used; some extend beyond the image."""
    side = np.exp(rng.uniform(np.log(8), np.log(max(size)), (n, 2)))
    start = rng.uniform(-0.1, 0.9, (n, 2)) * np.array(size[::-1])
    boxes = np.concatenate([rng.integers(0, batch, (n, 1)), start, start + side], axis=1).astype(np.float32)
    return torch.from_numpy(boxes), torch.from_numpy(rng.integers(0, classes, n))


@torch.no_grad()
def check(model: CenterMask, paths: Mapping[str, Path], tiles: Sequence[np.ndarray]) -> Parity:
    """Compare the graphs on ONNX Runtime with torch, on noise of several shapes and on tiles, with several numbers of
    regions, 0 among them.

    Parameters
    ----------
    tiles
        (B, C, H, W) float32 each, normalised, sides multiples of 32.

    Raises
    ------
    ParityError
        Naming the output, the difference and the tolerance.
    """
    dense, roi = (open_session(paths[name]) for name in ("dense", "roi"))
    rng, parity, n = np.random.default_rng(1), Parity(), _n_levels(model)
    outputs, inputs = dense_outputs(n), roi_inputs(n)
    channels, classes = model.settings.in_channels, len(model.settings.categories)
    noise = [rng.normal(0.3, 0.4, (b, channels, h, w)).astype(np.float32) for b, h, w in SHAPES]
    for number, tile in enumerate([*noise, *tiles]):
        batch, _, *size = tile.shape
        parity.shapes.append((batch, *size))
        pyramid, *rest = model.dense(torch.from_numpy(tile))
        parity.compare(outputs, (*pyramid, *rest), dense.run(outputs, {DENSE_INPUT: tile}))
        count = _COUNTS[number % len(_COUNTS)]
        rois, kinds = _random_rois(count, batch, (size[0], size[1]), classes, rng)
        area = torch.tensor([float(np.prod(size))])
        logits, quality = model.roi(pyramid, rois, kinds, area)
        feed = dict(zip(inputs, (v.numpy() for v in (*pyramid, rois, kinds, area)), strict=True))
        parity.compare(ROI_OUTPUTS, (logits.sigmoid(), quality), roi.run(ROI_OUTPUTS, feed))
    return parity.accept()
