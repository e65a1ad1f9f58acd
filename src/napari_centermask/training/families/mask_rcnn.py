"""Mask R-CNN: cells by boxes and masks as truth, as for a CenterMask, and the losses of anchors and regions."""

from __future__ import annotations

import re

import numpy as np
from torch import Tensor, nn

from napari_centermask.models.nets.mask_rcnn import MaskRCNN
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.parts import HEADS, TrainingParts, Truth, on_device
from napari_centermask.training.families.centermask import CenterMaskParts
from napari_centermask.training.losses.class_weights import category_weights
from napari_centermask.training.losses.mask_rcnn import region_losses

_STAGE = re.compile(r"backbone\.body\.layer(\d)")


class MaskRCNNParts(CenterMaskParts):
    """See `TrainingParts`."""

    def losses(
        self,
        model: nn.Module,
        images: Tensor,
        truths: list[Truth],
        settings: TrainSettings,
        *,
        class_weights: Tensor | None,
    ) -> dict[str, Tensor]:
        """See `region_losses`."""
        if not isinstance(model, MaskRCNN):
            raise TypeError(f"Expected a Mask R-CNN, got {type(model).__name__}.")
        on = [on_device(truth, images.device) for truth in truths]
        return region_losses(model, images, on, settings.regions, class_weights=class_weights)

    def class_weights(self, settings: TrainSettings) -> np.ndarray | None:
        """See `category_weights`."""
        return category_weights(settings, "regions") if settings.regions.class_weights == "balanced" else None

    def least_cells(self, settings: TrainSettings) -> int:
        """As many as regions with a cell are chosen."""
        return round(settings.regions.regions * settings.regions.regions_positive)

    def depth_of(self, name: str) -> int:
        """1 to 4 are the stages 2 to 5, 5 is the pyramid."""
        if not name.startswith("backbone."):
            return HEADS
        match = _STAGE.match(name)
        return int(match[1]) if match else 0 if name.startswith("backbone.body.") else 5


PARTS: TrainingParts = MaskRCNNParts()
