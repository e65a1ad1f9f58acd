"""The graph of a U-Net, `maps`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from napari_centermask.deploy.graph_file import any_size, write_graph
from napari_centermask.deploy.parity import SHAPES, Parity, open_session
from napari_centermask.engines.graphs import DENSE_INPUT, MAPS_OUTPUT
from napari_centermask.models.nets.build import MapModel
from napari_centermask.models.store.card import ModelCard


def write(model: MapModel, paths: Mapping[str, Path], card: ModelCard, opset: int) -> int:
    """Write the graph; return its opset."""
    step = _step(model)
    example = torch.randn(2, model.settings.in_channels, 2 * step, 3 * step)
    shapes = any_size(step)
    return write_graph(_Maps(model), (example,), paths["maps"], card, [DENSE_INPUT], [MAPS_OUTPUT], shapes, opset=opset)


class _Maps(nn.Module):
    def __init__(self, model: MapModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.model.maps(image)


def _step(model: MapModel) -> int:
    """The sides of tiles are multiples of this."""
    return max(32, 2**model.settings.depth)


@torch.no_grad()
def check(model: MapModel, paths: Mapping[str, Path], tiles: Sequence[np.ndarray]) -> Parity:
    """Compare the graph with torch, on noise of several shapes and on tiles; raises as `export_centermask.check`."""
    session, rng, parity, step = open_session(paths["maps"]), np.random.default_rng(1), Parity(), _step(model)
    shapes = [(b, model.settings.in_channels, -(-h // step) * step, -(-w // step) * step) for b, h, w in SHAPES]
    noise = [rng.normal(0.3, 0.4, shape).astype(np.float32) for shape in shapes]
    for tile in [*noise, *(_padded(tile, step) for tile in tiles)]:
        parity.shapes.append((tile.shape[0], *tile.shape[2:]))
        expected = model.maps(torch.from_numpy(tile))
        parity.compare([MAPS_OUTPUT], (expected,), session.run([MAPS_OUTPUT], {DENSE_INPUT: tile}))
    return parity.accept()


def _padded(tile: np.ndarray, step: int) -> np.ndarray:
    return np.pad(tile, [(0, 0), (0, 0), *((0, -side % step) for side in tile.shape[2:])], mode="symmetric")
