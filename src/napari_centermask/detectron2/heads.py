"""Our mask head and mask-IoU head as heads of detectron2."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import BaseMaskRCNNHead
from detectron2.structures import BitMasks, ImageList, Instances
from torch import Tensor, nn

from napari_centermask.detectron2.config import form_of
from napari_centermask.models.nets.roi_heads import MaskHead, MaskIoUHead, assign_levels, of_class, pool
from napari_centermask.training.losses.centermask import mask_losses, mask_targets, sample_regions


class CenterROIHeads(nn.Module):
    """Masks and their IoU for what FCOS has found, with the losses.

    Attributes
    ----------
    mask_on
        detectron2 switches masks off while it looks for boxes.
    """

    def __init__(self, cfg: Any, input_shape: dict[str, ShapeSpec]) -> None:
        super().__init__()
        self._form = form = form_of(cfg)
        values = cfg.MODEL.ROI_HEADS
        self.in_features = [name for name in values.IN_FEATURES if name in input_shape]
        width = input_shape[self.in_features[0]].channels
        n = 1 if form.class_agnostic_mask else values.NUM_CLASSES
        self.mask_head = MaskHead(width, form.mask_channels, form.mask_convs, n)
        self.maskiou_head = None
        if form.maskiou:
            sizes = form.maskiou_channels, form.maskiou_convs, form.maskiou_fc
            self.maskiou_head = MaskIoUHead(width, *sizes, values.NUM_CLASSES, size=form.roi_size)
        self.mask_on = cfg.MODEL.MASK_ON
        self._count, self._positive = values.BATCH_SIZE_PER_IMAGE, values.POSITIVE_FRACTION

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """See detectron2's ROI heads: in training the losses, else what was found with masks."""
        if self.training:
            return proposals, self._losses(features, proposals, targets)
        return self.forward_with_given_boxes(features, proposals), {}

    def forward_with_given_boxes(self, features: dict[str, Tensor], instances: list[Instances]) -> list[Instances]:
        """Masks of the boxes that `instances` have as `pred_boxes` and `pred_classes`.

        They get `pred_masks`, (N, 1, s, s) in [0, 1], and `mask_scores`, the score times the predicted IoU of the mask.
        """
        if not self.mask_on:
            return instances
        for index, one in enumerate(instances):
            boxes, classes = one.pred_boxes.tensor, one.pred_classes
            logits, quality = self._masks(features, [boxes], classes, [one.image_size], first=index)
            one.pred_masks = logits.sigmoid()[:, None]
            if quality is not None and one.has("scores"):
                one.mask_scores = one.scores * quality
        return instances

    def _masks(
        self,
        features: dict[str, Tensor],
        boxes: list[Tensor],
        classes: Tensor,
        sizes: list[tuple[int, int]],
        *,
        first: int = 0,
    ) -> tuple[Tensor, Tensor | None]:
        """Mask logits and predicted IoU of boxes of images from the one at `first` on."""
        rois = torch.cat([torch.cat([torch.full_like(b[:, :1], first + i), b], dim=1) for i, b in enumerate(boxes)])
        areas = torch.cat([rois.new_full((len(b),), float(h * w)) for b, (h, w) in zip(boxes, sizes, strict=True)])
        levels = assign_levels(rois[:, 1:], areas, rule=self._form.roi_levels, first_level=self._form.first_level)
        x = pool([features[name] for name in self.in_features], rois, levels, size=self._form.roi_size)
        logits = of_class(self.mask_head(x), classes)
        quality = None if self.maskiou_head is None else of_class(self.maskiou_head(x, logits), classes)
        return logits, quality

    def _losses(
        self, features: dict[str, Tensor], proposals: list[Instances], targets: list[Instances]
    ) -> dict[str, Tensor]:
        boxes, classes, wanted, inside = [], [], [], []
        for own, truth in zip(proposals, targets, strict=True):
            proposed, real = own.proposal_boxes.tensor, truth.gt_boxes.tensor
            sample = sample_regions(proposed, real, count=self._count, fraction=self._positive)
            front, matched = sample.indices[: sample.foreground], sample.matched[: sample.foreground]
            chosen = torch.cat([proposed, real])[front]
            masks = _bitmaps(truth)
            target, part = mask_targets(masks, matched, chosen, side=2 * self._form.roi_size)
            boxes.append(chosen)
            classes.append(truth.gt_classes[matched])
            wanted.append(target)
            inside.append(part)
        sizes = [own.image_size for own in proposals]
        logits, quality = self._masks(features, boxes, torch.cat(classes), sizes)
        iou = None if quality is None else quality.float()
        return dict(mask_losses(logits.float(), iou, torch.cat(wanted), torch.cat(inside)))


def _bitmaps(truth: Instances) -> Tensor:
    """(N, H, W) uint8 of the cells of an image, which detectron2 keeps as polygons or bitmaps."""
    height, width = truth.image_size
    device = truth.gt_boxes.tensor.device
    if not truth.has("gt_masks") or len(truth) == 0:
        return torch.zeros((len(truth), height, width), dtype=torch.uint8, device=device)
    masks = truth.gt_masks
    if not isinstance(masks, BitMasks):
        masks = BitMasks.from_polygon_masks(masks, height, width)
    return masks.tensor.to(device=device, dtype=torch.uint8)


class SpatialAttentionMaskHead(BaseMaskRCNNHead):
    """Our mask head in detectron2's own ROI heads, with their losses: for a Mask R-CNN with spatial attention."""

    def __init__(self, cfg: Any, input_shape: ShapeSpec) -> None:
        super().__init__(vis_period=cfg.VIS_PERIOD)
        values = cfg.MODEL.ROI_MASK_HEAD
        n = 1 if values.CLS_AGNOSTIC_MASK else cfg.MODEL.ROI_HEADS.NUM_CLASSES
        self.head = MaskHead(input_shape.channels, values.CONV_DIM, values.NUM_CONV, n)

    def layers(self, x: Tensor) -> Tensor:
        """(N, C, s, s) -> logits (N, categories, 2 s, 2 s)."""
        logits: Tensor = self.head(x)
        return logits
