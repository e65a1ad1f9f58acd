"""The graphs of a CenterMask, `dense` and `roi`; detection happens between them and is shared by all engines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from napari_centermask.deploy.export import (
    MOST_REGIONS,
    MOST_TILES,
    SHAPES,
    Parity,
    accepted,
    any_size,
    compare,
    open_session,
    write_graph,
)
from napari_centermask.engines.graphs import DENSE_INPUT, ROI_OUTPUTS, dense_outputs, roi_inputs
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.store.card import ModelCard


def write(model: CenterMask, paths: Mapping[str, Path], card: ModelCard) -> Parity:
    """Write both graphs and compare them with torch; see `export.export`."""
    _write_dense(model, paths["dense"], card)
    _write_roi(model, paths["roi"], card)
    return check_parity(model, paths["dense"], paths["roi"])


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


def _write_dense(model: CenterMask, path: Path, card: ModelCard) -> None:
    example = torch.randn(2, model.settings.in_channels, 256, 320)
    outputs = dense_outputs(_n_levels(model))
    write_graph(_Dense(model), (example,), path, card, [DENSE_INPUT], outputs, any_size(32))


def _n_levels(model: CenterMask) -> int:
    return len(model.settings.pooled_levels)


def _write_roi(model: CenterMask, path: Path, card: ModelCard) -> None:
    with torch.no_grad():
        pyramid, *_ = model.dense(torch.randn(2, model.settings.in_channels, 256, 320))
    rois, classes = _random_rois(7, 2, (256, 320), len(model.settings.categories), np.random.default_rng(0))
    batch, count = torch.export.Dim("batch", min=1, max=MOST_TILES), torch.export.Dim("rois", min=0, max=MOST_REGIONS)
    n = _n_levels(model)
    maps = tuple({0: batch, 2: torch.export.Dim(f"h{i}", min=1), 3: torch.export.Dim(f"w{i}", min=1)} for i in range(n))
    example = (tuple(pyramid), rois, classes, torch.tensor([256.0 * 320.0]))
    write_graph(_Roi(model), example, path, card, roi_inputs(n), ROI_OUTPUTS, (maps, {0: count}, {0: count}, None))


def _random_rois(
    n: int, batch: int, size: tuple[int, int], classes: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Regions of 8 pixels up to the whole tile, so that every pyramid level is used; some extend beyond the image."""
    side = np.exp(rng.uniform(np.log(8), np.log(max(size)), (n, 2)))
    start = rng.uniform(-0.1, 0.9, (n, 2)) * np.array(size[::-1])
    boxes = np.concatenate([rng.integers(0, batch, (n, 1)), start, start + side], axis=1).astype(np.float32)
    return torch.from_numpy(boxes), torch.from_numpy(rng.integers(0, classes, n))


@torch.no_grad()
def check_parity(model: CenterMask, dense: Path, roi: Path) -> Parity:
    """Compare the graphs on ONNX Runtime with torch on several shapes and numbers of regions, including 0.

    Raises
    ------
    ParityError
        Naming the output, the difference and the tolerance.
    """
    sessions = [open_session(path) for path in (dense, roi)]
    rng = np.random.default_rng(1)
    outputs, inputs = dense_outputs(_n_levels(model)), roi_inputs(_n_levels(model))
    worst = dict.fromkeys((*outputs, *ROI_OUTPUTS), 0.0)
    for (batch, height, width), count in zip(SHAPES, (37, 0, 1), strict=True):
        x = torch.from_numpy(
            rng.normal(0.3, 0.4, (batch, model.settings.in_channels, height, width)).astype(np.float32)
        )
        pyramid, *rest = model.dense(x)
        compare(worst, outputs, (*pyramid, *rest), sessions[0].run(outputs, {DENSE_INPUT: x.numpy()}))
        rois, classes = _random_rois(count, batch, (height, width), len(model.settings.categories), rng)
        area = torch.tensor([float(height * width)])
        logits, quality = model.roi(pyramid, rois, classes, area)
        feed = dict(zip(inputs, (v.numpy() for v in (*pyramid, rois, classes, area)), strict=True))
        compare(worst, ROI_OUTPUTS, (logits.sigmoid(), quality), sessions[1].run(ROI_OUTPUTS, feed))
    return accepted(worst)
