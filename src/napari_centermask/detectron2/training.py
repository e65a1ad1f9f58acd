"""Models of detectron2 in our training: cells as its `Instances`, and its own losses."""

from __future__ import annotations

import numpy as np
from detectron2.structures import BitMasks, Boxes, ImageList, Instances
from detectron2.utils.events import EventStorage
from torch import Tensor, nn

from napari_centermask.detectron2.network import Detectron2Network, pad
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.parts import TrainingParts, Truth, on_device
from napari_centermask.training.families.centermask import CenterMaskParts


class Detectron2Parts(CenterMaskParts):
    """See `TrainingParts`; detectron2 has no place for what nobody reviewed, which counts as background."""

    def losses(
        self,
        model: nn.Module,
        images: Tensor,
        truths: list[Truth],
        settings: TrainSettings,
        *,
        class_weights: Tensor | None,
    ) -> dict[str, Tensor]:
        """Those of the model's own parts."""
        if not isinstance(model, Detectron2Network):
            raise TypeError(f"Expected a model of detectron2, got {type(model).__name__}.")
        size = (images.shape[2], images.shape[3])
        cells = [_instances(on_device(truth, images.device), size) for truth in truths]
        padded = pad(images, model.backbone.size_divisibility)
        batch = ImageList(padded, [size] * len(images))
        with EventStorage():  # its heads write figures there
            levels = model(padded)
            proposals, of_proposals = model.proposal_generator(batch, levels, cells)
            _, of_heads = model.roi_heads(batch, levels, proposals, cells)
        return of_proposals | of_heads

    def class_weights(self, settings: TrainSettings) -> np.ndarray | None:
        """Its losses have none."""
        return None

    def least_cells(self, settings: TrainSettings) -> int:
        """As many as its heads choose by default."""
        return 128


def _instances(truth: Truth, size: tuple[int, int]) -> Instances:
    return Instances(size, gt_boxes=Boxes(truth.boxes), gt_classes=truth.classes, gt_masks=BitMasks(truth.masks.bool()))


PARTS: TrainingParts = Detectron2Parts()
