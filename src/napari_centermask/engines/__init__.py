"""Engines run the network; numpy in, numpy out.

Engines of a family have the same methods on every runtime: `features` and `masks` for a CenterMask, `maps` for a U-Net,
`features`, `votes` and `masks` for a Mask R-CNN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from napari_centermask.engines.runtime import Precision
from napari_centermask.models.store.card import ModelCard


@dataclass(frozen=True)
class Features:
    """The output of one pass over a batch of tiles; kept to answer box prompts quickly.

    Attributes
    ----------
    tile_shape
        (H, W) of the padded tiles in network pixels; multiples of 32.
    pyramid
        The levels up to P5, finest first, in the engine's own array type, (B, C, H / stride, W / stride).
    logits
        (B, L, categories) float32, raw class logits of all locations, levels one after another.
    ltrb
        (B, L, 4) float32, distances left, top, right, bottom in network pixels.
    centerness
        (B, L) float32, raw logits; not used for models that do not rate boxes.
    """

    tile_shape: tuple[int, int]
    pyramid: tuple[Any, ...]
    logits: np.ndarray
    ltrb: np.ndarray
    centerness: np.ndarray


@dataclass(frozen=True)
class Detections:
    """Boxes of one tile, best score first.

    Attributes
    ----------
    boxes
        (N, 4) float32, x0, y0, x1, y1 in network pixels of the tile, not clipped.
    scores
        (N,) float32 in [0, 1], sqrt(class probability x centerness), or the class probability alone (`ModelCard.rates_boxes`).
    classes
        (N,) int64, index into the model's categories.
    probabilities
        (N, categories) float32 of each category, rows sum to 1; (N, 0) for a model with one category.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    probabilities: np.ndarray

    def __getitem__(self, which: np.ndarray | slice) -> Detections:
        """Some of the boxes."""
        return Detections(self.boxes[which], self.scores[which], self.classes[which], self.probabilities[which])


@dataclass(frozen=True)
class RegionFeatures:
    """The output of one pass of a network that finds cells in two steps, over a batch of tiles.

    Attributes
    ----------
    tile_shape
        (H, W) of the padded tiles in network pixels; multiples of 32.
    pyramid
        What masks are computed from, in the engine's own type.
    found
        For each tile all boxes that may be cells, best first, duplicates included.
    """

    tile_shape: tuple[int, int]
    pyramid: Any
    found: tuple[Detections, ...]


class RegionEngine(Protocol):
    """A loaded network that finds cells in two steps, such as a Mask R-CNN, on one device.

    Attributes
    ----------
    precision
        Of convolutions and matrix products.
    batch
        Tiles to give it at once, where there are several of one size.
    """

    name: str
    device: str
    card: ModelCard
    precision: Precision
    batch: int

    def features(self, tiles: np.ndarray) -> RegionFeatures:
        """Run the network up to boxes.

        Parameters
        ----------
        tiles
            (B, C, H, W) float32, normalised, H and W multiples of 32.
        """

    def votes(self, features: RegionFeatures, boxes: np.ndarray, *, index: int = 0) -> np.ndarray:
        """(N, categories) float32, rows sum to 1: how likely each category is for what is in boxes (N, 4) of a tile."""

    def masks(
        self, features: RegionFeatures, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Engine.masks`; the quality is 1."""


class Engine(Protocol):
    """A loaded CenterMask on one runtime and one device.

    Attributes
    ----------
    precision
        Of convolutions and matrix products.
    batch
        Tiles to give it at once, where there are several of one size.
    """

    name: str
    device: str
    card: ModelCard
    precision: Precision
    batch: int

    def features(self, tiles: np.ndarray) -> Features:
        """Run the dense network.

        Parameters
        ----------
        tiles
            (B, C, H, W) float32, normalised, H and W multiples of 32.
        """

    def masks(
        self, features: Features, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Masks of boxes in tile `index` of the batch, detected or drawn by hand.

        Parameters
        ----------
        boxes
            (N, 4) float32, x0, y0, x1, y1 in network pixels.
        classes
            (N,) int64.

        Returns
        -------
        probabilities : (N, s, s) float32 in [0, 1], usually 28 x 28
        quality : (N,) float32, predicted mask IoU, clipped to [0, 1]; ones where the model has no mask-IoU head.
        """


class MapEngine(Protocol):
    """A loaded U-Net on one runtime and one device.

    Attributes
    ----------
    precision
        Of convolutions and matrix products.
    batch
        Tiles to give it at once, where there are several of one size.
    """

    name: str
    device: str
    card: ModelCard
    precision: Precision
    batch: int

    def maps(self, tiles: np.ndarray) -> np.ndarray:
        """Run the network.

        Parameters
        ----------
        tiles
            (B, C, H, W) float32, normalised, H and W multiples of 32.

        Returns
        -------
        numpy.ndarray
            (B, K, H, W) float32 in [0, 1], a map for each of `card.model.map_names`: the background and the categories,
            which sum to 1 in each pixel, then the border and the distance where the model has them.
        """


AnyEngine = Engine | MapEngine | RegionEngine
"""The engine of a model of any family; the family's record in `models.families` says which."""
