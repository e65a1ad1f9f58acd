"""Training parts of a family of networks: its targets, its losses, and the depth of its layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_centermask.models.families import family_of
from napari_centermask.settings import NetworkSettings, TrainSettings
from napari_centermask.training.data.tile import TrainTile

if TYPE_CHECKING:
    from torch import Tensor, device, nn

HEADS = 6
"""Depth of the last layers; see `TrainingParts.depth_of`."""


@dataclass(frozen=True)
class TrainBatch:
    """Tiles of one step, as tensors.

    Attributes
    ----------
    images
        (B, C, T, T) float32.
    truths
        Input of the family's losses: for a CenterMask a `Truth` for each tile, for a U-Net the `MapTruth` of all.
    """

    images: Tensor
    truths: Any


@dataclass(frozen=True)
class Truth:
    """The annotations of one training tile.

    Attributes
    ----------
    boxes
        (N, 4) float32 x0, y0, x1, y1 in pixels.
    classes
        (N,) int64.
    masks
        (N, H, W) uint8, whole tile, may overlap.
    ignore
        (M, 4) float32 boxes in which background has no loss.
    unreviewed
        (H, W) uint8, 1 where background has no loss; None if everything is reviewed.
    seed
        See `TrainTile.seed`.
    """

    boxes: Tensor
    classes: Tensor
    masks: Tensor
    ignore: Tensor | None = None
    unreviewed: Tensor | None = None
    seed: int | None = None


@dataclass(frozen=True)
class MapTruth:
    """The maps of a batch of tiles; see `MapTile`.

    Attributes
    ----------
    classes
        (B, T, T) uint8.
    border
        (B, T, T) uint8.
    distance, signed
        (B, T, T) float32.
    """

    classes: Tensor
    border: Tensor
    distance: Tensor
    signed: Tensor


class TrainingParts(Protocol):
    """One class for each family, named in `models.families`. Torch is only imported where it is needed."""

    def target(self, tile: TrainTile) -> Any:
        """The target for a tile; computed by the processes that prepare tiles."""

    def collate(self, targets: list[Any]) -> TrainBatch:
        """A batch of targets, as tensors."""

    def losses(
        self, model: nn.Module, images: Tensor, truths: Any, settings: TrainSettings, *, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        """Scalars of a batch, as `Losses` if they are means over a part of it; `truths` may lie on another device."""

    def class_weights(self, settings: TrainSettings) -> np.ndarray | None:
        """Weight of each class in the losses, float32; None for equal weights."""

    def most_cells(self, truths: Any) -> int:
        """Cells in the fullest tile of a batch, if the memory of a step depends on them; else 0."""

    def synthetic(self, settings: TrainSettings, batch: int, tile: int, *, most_cells: int) -> Any:
        """Truths of synthetic tiles, to try what fits into memory; cells as dense as `most_cells` in a tile of the run."""

    def depth_of(self, name: str) -> int:
        """Depth of a parameter: 0 for the stem, 1 to 4 for the stages of the backbone, 5 for the neck, `HEADS` for the heads."""


def parts_of(model: NetworkSettings) -> TrainingParts:
    """The training parts of the family of a network."""
    family = family_of(model)
    parts: TrainingParts = family.load(family.training)
    return parts


def on_device(truth: Any, place: device) -> Any:
    """A dataclass of tensors on a device; fields of other kinds stay as they are."""
    fields = {name: value.to(place) if hasattr(value, "to") else value for name, value in vars(truth).items()}
    return type(truth)(**fields)
