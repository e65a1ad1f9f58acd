"""A model of detectron2 as an engine: boxes, and masks of boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from detectron2.structures import Boxes, ImageList, Instances

from napari_centermask.core.neighbours import box_iou
from napari_centermask.detectron2.network import Detectron2Network, pad
from napari_centermask.engines import Detections, RegionFeatures
from napari_centermask.engines.torch import OnDevice


class Detectron2Engine(OnDevice):
    """See `RegionEngine`."""

    _network: Detectron2Network

    @torch.inference_mode()
    def features(self, tiles: np.ndarray) -> RegionFeatures:
        """See `RegionEngine.features`."""
        x, size = self._input(tiles), (tiles.shape[2], tiles.shape[3])
        padded = pad(x, self._network.backbone.size_divisibility)
        images = ImageList(padded, [size] * len(x))
        heads = self._network.roi_heads
        with self._rounding():
            levels = {name: level.float() for name, level in self._network(padded).items()}
            proposals, _ = self._network.proposal_generator(images, levels, None)
            mask_on, heads.mask_on = heads.mask_on, False
            try:
                found, _ = heads(images, levels, proposals, None)
            finally:
                heads.mask_on = mask_on
        n = len(self.card.model.categories)
        return RegionFeatures(size, (levels, len(x)), tuple(_detections(one, n) for one in found))

    def votes(self, features: RegionFeatures, boxes: np.ndarray, *, index: int = 0) -> np.ndarray:
        """See `RegionEngine.votes`: the category of what was found there, weighed by score and overlap."""
        n = len(self.card.model.categories)
        found = features.found[index]
        votes = np.full((len(boxes), n), 1e-6, np.float32)
        for row, box in enumerate(boxes):
            if len(found.boxes):
                overlap = box_iou(np.repeat(box[None], len(found.boxes), axis=0), found.boxes)
                np.add.at(votes[row], found.classes, overlap * found.scores)
        shares: np.ndarray = votes / votes.sum(axis=1, keepdims=True)
        return shares

    @torch.inference_mode()
    def masks(
        self, features: RegionFeatures, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `RegionEngine.masks`; the quality is the predicted IoU of a CenterMask, else 1."""
        levels, count = features.pyramid
        regions: list[Any] = [np.zeros((0, 4), np.float32)] * count
        kinds: list[Any] = [np.zeros(0, np.int64)] * count
        regions[index], kinds[index] = np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(classes, np.int64)
        asked = [self._instances(*pair, features.tile_shape) for pair in zip(regions, kinds, strict=True)]
        with self._rounding():
            answer = self._network.roi_heads.forward_with_given_boxes(levels, asked)[index]
        masks = answer.pred_masks[:, 0].float().cpu().numpy()
        quality = (
            answer.mask_scores.float().cpu().numpy() if answer.has("mask_scores") else np.ones(len(masks), np.float32)
        )
        return masks, quality

    def _instances(self, boxes: np.ndarray, classes: np.ndarray, size: tuple[int, int]) -> Instances:
        return Instances(
            size,
            pred_boxes=Boxes(torch.from_numpy(boxes).to(self._device)),
            pred_classes=torch.from_numpy(classes).to(self._device),
            scores=torch.ones(len(boxes), device=self._device),
        )


def _detections(found: Instances, n_categories: int) -> Detections:
    """Best first; the shares of other categories are not known."""
    scores = found.scores.float().cpu().numpy()
    order = np.argsort(-scores, kind="stable")
    classes = found.pred_classes.cpu().numpy().astype(np.int64)[order]
    boxes = found.pred_boxes.tensor.float().cpu().numpy()[order]
    shares = np.zeros((len(order), n_categories if n_categories > 1 else 0), np.float32)
    if n_categories > 1:
        shares[np.arange(len(order)), classes] = 1
    return Detections(boxes, scores[order], classes, shares)
