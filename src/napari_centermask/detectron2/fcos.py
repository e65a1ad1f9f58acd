"""Our FCOS as a proposal generator of detectron2."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import torch
from detectron2.layers import ShapeSpec
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor, nn

from napari_centermask.detectron2.config import form_of
from napari_centermask.engines import Features
from napari_centermask.engines.decode import detect
from napari_centermask.models.nets.fcos import FCOSHead, flatten, propose
from napari_centermask.models.store.card import ModelCard
from napari_centermask.training.losses.centermask import assign, fcos_losses, level_table

Proposals = list[Instances]


class FCOS(nn.Module):
    """Boxes, scores and categories at every location, and their losses.

    What it finds has the fields `pred_boxes`, `scores` and `pred_classes` for heads that compute masks for detections, and
    `proposal_boxes` and `objectness_logits` for those of detectron2 that look at proposals.
    """

    def __init__(self, cfg: Any, input_shape: dict[str, ShapeSpec]) -> None:
        super().__init__()
        form, values = form_of(cfg), cfg.MODEL.FCOS
        self.in_features = [name for name in values.IN_FEATURES if name in input_shape]
        self.strides = tuple(input_shape[name].stride for name in self.in_features)
        self.n_classes = values.NUM_CLASSES
        channels = input_shape[self.in_features[0]].channels
        levels = len(self.strides)
        self.fcos_head = FCOSHead(channels, self.n_classes, levels=levels, convs=form.head_convs, norm=form.head_norm)
        self._in_training: dict[str, Any] = {
            "score": values.INFERENCE_TH_TRAIN,
            "nms": values.NMS_TH,
            "candidates": values.PRE_NMS_TOPK_TRAIN,
            "keep": values.POST_NMS_TOPK_TRAIN,
        }
        self._in_use: dict[str, Any] = {
            "score": values.INFERENCE_TH_TEST,
            "nms": values.NMS_TH,
            "pre_nms_topk": values.PRE_NMS_TOPK_TEST,
            "max_detections": values.POST_NMS_TOPK_TEST,
        }

    def find_all(self, *, score: float, nms: float, most: int) -> None:
        """Keep weak boxes and duplicates, which another suppression removes; outside training."""
        self._in_use |= {"score": min(score, self._in_use["score"]), "nms": max(nms, self._in_use["nms"])}
        self._in_use |= {"pre_nms_topk": None, "max_detections": most}

    def forward(
        self, images: ImageList, features: dict[str, Tensor], gt_instances: list[Instances] | None = None
    ) -> tuple[Proposals, dict[str, Tensor]]:
        """See detectron2's proposal generators: what is found in each image, and the losses in training."""
        levels = [features[name] for name in self.in_features]
        maps = self.fcos_head(levels)
        shapes = [(level.shape[2], level.shape[3]) for level in levels]
        logits, ltrb, centerness = (flatten(part).float() for part in maps)
        table = level_table(shapes, self.strides, device=logits.device)
        pixels = ltrb * table[1][:, None]
        if self.training:
            losses = self._losses(logits, ltrb, centerness, table, gt_instances)
            found = propose(
                logits.detach(), pixels.detach(), centerness.detach()[..., 0], table[0], table[1], **self._in_training
            )
            sizes = images.image_sizes
            return [_proposals(boxes, size) for (boxes, _), size in zip(found, sizes, strict=True)], losses
        outputs = Features(
            (images.tensor.shape[2], images.tensor.shape[3]),
            (),
            *(part.detach().cpu().numpy() for part in (logits, pixels, centerness[..., 0])),
        )
        return [self._detected(outputs, index, size, logits) for index, size in enumerate(images.image_sizes)], {}

    def _losses(
        self,
        logits: Tensor,
        ltrb: Tensor,
        centerness: Tensor,
        table: tuple[Tensor, Tensor, Tensor],
        truths: list[Instances],
    ) -> dict[str, Tensor]:
        assignments = [assign(t.gt_boxes.tensor, t.gt_classes, table, self.n_classes) for t in truths]
        return dict(fcos_losses(logits, ltrb, centerness[..., 0], assignments))

    def _detected(self, outputs: Features, index: int, size: tuple[int, int], like: Tensor) -> Instances:
        """As the reference: the class alone must pass the threshold, and boxes suppress those of their own class."""
        card = cast(ModelCard, SimpleNamespace(strides=self.strides, rates_boxes=True))
        found = detect(outputs, card, index=index, threshold="class", **self._in_use)
        boxes, scores, classes = (
            torch.from_numpy(part).to(like.device) for part in (found.boxes, found.scores, found.classes)
        )
        return Instances(
            size,
            pred_boxes=Boxes(boxes),
            scores=scores,
            pred_classes=classes,
            proposal_boxes=Boxes(boxes.clone()),
            objectness_logits=torch.logit(scores, eps=1e-6),
        )


def _proposals(boxes: Tensor, size: tuple[int, int]) -> Instances:
    """In training; their order is that of their scores, which nothing else asks for."""
    return Instances(size, proposal_boxes=Boxes(boxes), objectness_logits=torch.zeros(len(boxes), device=boxes.device))
