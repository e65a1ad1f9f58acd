"""U-Nets: maps as truth, the losses of the maps."""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor, nn

from napari_centermask.models.nets.build import MapModel
from napari_centermask.settings import TrainSettings, UNetSettings
from napari_centermask.training.data.map_targets import MapTile, map_tile
from napari_centermask.training.data.parts import HEADS, MapTruth, TrainBatch, TrainingParts, on_device
from napari_centermask.training.data.tile import TrainTile
from napari_centermask.training.losses.class_weights import class_weights
from napari_centermask.training.losses.map_losses import map_losses

_LEVEL = re.compile(r"network\.(?:down\.|encoder\.(?:layer|stages_|blocks\.)?)(\d)")


class UNetParts:
    """See `TrainingParts`."""

    def target(self, tile: TrainTile) -> MapTile:
        """The maps of the tile."""
        return map_tile(tile)

    def collate(self, targets: list[MapTile]) -> TrainBatch:
        """The `MapTruth` of all tiles."""
        names = ("classes", "border", "distance", "signed")
        maps = (torch.from_numpy(np.stack([getattr(t, name) for t in targets])) for name in names)
        return TrainBatch(torch.from_numpy(np.stack([t.image for t in targets])), MapTruth(*maps))

    def losses(
        self,
        model: nn.Module,
        images: Tensor,
        truths: MapTruth,
        settings: TrainSettings,
        *,
        class_weights: Tensor | None,
    ) -> dict[str, Tensor]:
        """See `map_losses`."""
        if not isinstance(model, MapModel):
            raise TypeError(f"Expected a U-Net, got {type(model).__name__}.")
        truth = on_device(truths, images.device)
        return map_losses(model.outputs(images), truth, _form(settings), settings.losses, class_weights=class_weights)

    def class_weights(self, settings: TrainSettings) -> np.ndarray | None:
        """(1 + categories,), background first."""
        return None if settings.losses.class_weights == "none" else class_weights(settings)

    def most_cells(self, truths: MapTruth) -> int:
        """Maps are of one size whatever they show."""
        return 0

    def synthetic(self, settings: TrainSettings, batch: int, tile: int, *, most_cells: int) -> MapTruth:
        """Random maps."""
        shape = (batch, tile, tile)
        classes = torch.randint(_form(settings).n_classes, shape, dtype=torch.uint8)
        return MapTruth(classes, classes.clamp(max=1), torch.rand(shape), torch.rand(shape) * 2 - 1)

    def depth_of(self, name: str) -> int:
        """Up to 4 the levels of the contracting path, 5 the expanding one."""
        match = _LEVEL.match(name)
        if match:
            return min(int(match[1]), 4)
        if name.startswith("network.encoder."):  # its stem, under whatever name
            return 0
        return HEADS if ".head." in name or ".side." in name or "segmentation_head" in name else 5


def _form(settings: TrainSettings) -> UNetSettings:
    if not isinstance(settings.model, UNetSettings):
        raise TypeError(f"Expected the form of a U-Net, got {type(settings.model).__name__}.")
    return settings.model


PARTS: TrainingParts = UNetParts()
