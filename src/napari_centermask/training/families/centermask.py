"""CenterMask: cells by boxes and masks as truth, the losses of its heads."""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor, nn

from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.parts import HEADS, TrainBatch, TrainingParts, Truth, on_device
from napari_centermask.training.data.tile import TrainTile
from napari_centermask.training.losses.batch_losses import REGIONS, batch_losses
from napari_centermask.training.losses.class_weights import category_weights

_STAGE = re.compile(r"bottom_up\.(?:stage|res)(\d)")


class CenterMaskParts:
    """See `TrainingParts`."""

    def target(self, tile: TrainTile) -> TrainTile:
        """The cells of the tile as they are."""
        return tile

    def collate(self, targets: list[TrainTile]) -> TrainBatch:
        """A `Truth` for each tile."""

        images = torch.from_numpy(np.stack([t.image for t in targets]))
        return TrainBatch(images, [_truth(t) for t in targets])

    def losses(
        self,
        model: nn.Module,
        images: Tensor,
        truths: list[Truth],
        settings: TrainSettings,
        *,
        class_weights: Tensor | None,
    ) -> dict[str, Tensor]:
        """See `batch_losses`."""
        if not isinstance(model, CenterMask):
            raise TypeError(f"Expected a CenterMask, got {type(model).__name__}.")
        on = [on_device(t, images.device) for t in truths]
        return batch_losses(model, images, on, settings.instance_losses, class_weights=class_weights)

    def class_weights(self, settings: TrainSettings) -> np.ndarray | None:
        """See `category_weights`."""
        return category_weights(settings) if settings.instance_losses.class_weights == "balanced" else None

    def most_cells(self, truths: list[Truth]) -> int:
        """Masks of all cells of a tile are held."""
        return max(len(truth.boxes) for truth in truths)

    def synthetic(self, settings: TrainSettings, batch: int, tile: int, *, most_cells: int) -> list[Truth]:
        """Cells at random places."""
        count = max(self.least_cells(settings), round(most_cells * (tile / settings.tile) ** 2))
        side = min(settings.diameter, tile / 2)
        return [_cells(count, side, tile) for _ in range(batch)]

    def least_cells(self, settings: TrainSettings) -> int:
        """With so many cells in a tile, the mask heads have as much to do as they can have."""
        return REGIONS // 4

    def depth_of(self, name: str) -> int:
        """1 to 4 are the stages 2 to 5, 5 is the pyramid."""
        if not name.startswith("backbone."):
            return HEADS
        if "bottom_up" not in name:
            return 5
        match = _STAGE.search(name)
        if match:
            return int(match[1]) - 1
        return 0 if "stem" in name else 2  # MobileNetV2 numbers its blocks differently


def _truth(tile: TrainTile) -> Truth:
    def tensor(value: np.ndarray) -> Tensor:
        return torch.from_numpy(value.copy())

    unreviewed = None if tile.unreviewed is None else tensor(tile.unreviewed)
    boxes, classes, masks, ignore = map(tensor, (tile.boxes, tile.classes, tile.masks, tile.ignore))
    return Truth(boxes, classes, masks, ignore, unreviewed, tile.seed)


def _cells(count: int, side: float, tile: int) -> Truth:
    corners = torch.rand(count, 2) * (tile - side)
    return Truth(
        boxes=torch.cat([corners, corners + side], dim=1),
        classes=torch.zeros(count, dtype=torch.int64),
        masks=torch.ones(count, tile, tile, dtype=torch.uint8),
        ignore=torch.zeros(0, 4),
        unreviewed=torch.zeros(tile, tile, dtype=torch.uint8),
    )


PARTS: TrainingParts = CenterMaskParts()
