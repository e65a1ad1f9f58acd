"""The annotations of the tiles of a batch, as the losses take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


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
    """

    boxes: Tensor
    classes: Tensor
    masks: Tensor
    ignore: Tensor | None = None
    unreviewed: Tensor | None = None


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
