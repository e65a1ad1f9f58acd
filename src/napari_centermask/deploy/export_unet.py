"""The graph of a U-Net, `maps`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from napari_centermask.deploy.export import SHAPES, Parity, accepted, any_size, compare, open_session, write_graph
from napari_centermask.engines.graphs import DENSE_INPUT, MAPS_OUTPUT
from napari_centermask.models.nets.build import MapModel
from napari_centermask.models.store.card import ModelCard


def write(model: MapModel, paths: Mapping[str, Path], card: ModelCard) -> Parity:
    """Write the graph and compare it with torch; see `export.export`."""
    _write_maps(model, paths["maps"], card)
    return check_maps(model, paths["maps"])


class _Maps(nn.Module):
    def __init__(self, model: MapModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.model.maps(image)


def _write_maps(model: MapModel, path: Path, card: ModelCard) -> None:
    step = _step(model)
    example = torch.randn(2, model.settings.in_channels, 2 * step, 3 * step)
    write_graph(_Maps(model), (example,), path, card, [DENSE_INPUT], [MAPS_OUTPUT], any_size(step))


def _step(model: MapModel) -> int:
    """The sides of tiles are multiples of this."""
    return max(32, 2**model.settings.depth)


@torch.no_grad()
def check_maps(model: MapModel, path: Path) -> Parity:
    """Compare the graph of a U-Net with torch on several shapes; raises as `check_parity`."""
    session, rng, worst = open_session(path), np.random.default_rng(1), {MAPS_OUTPUT: 0.0}
    step = _step(model)
    shapes = tuple((b, -(-h // step) * step, -(-w // step) * step) for b, h, w in SHAPES)
    for batch, height, width in shapes:
        x = rng.normal(0.3, 0.4, (batch, model.settings.in_channels, height, width)).astype(np.float32)
        expected = model.maps(torch.from_numpy(x))
        compare(worst, (MAPS_OUTPUT,), (expected,), session.run([MAPS_OUTPUT], {DENSE_INPUT: x}))
    return accepted(worst, shapes)
