"""Losses of a Mask R-CNN: of anchors, and of the regions that they become.

Source: Faster R-CNN, arXiv 1506.01497, section 3.1; Mask R-CNN, arXiv 1703.06870, section 3; the arithmetic is torchvision's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import maskrcnn_loss
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import box_iou

from napari_centermask.models.nets.mask_rcnn import MaskRCNN, Pyramid
from napari_centermask.settings import RegionSettings
from napari_centermask.training.data.parts import Truth
from napari_centermask.training.losses.batch_losses import is_unknown
from napari_centermask.training.losses.weighed import Losses

IGNORED = -1
"""Index of a box that is neither background nor a cell."""
_BACKGROUND = -2
_BETA = 1 / 9  # where smooth L1 begins to be linear: torchvision's


@dataclass(frozen=True)
class Chosen:
    """Boxes of one tile that losses are computed on.

    Attributes
    ----------
    index
        (S,) into the boxes, those with a cell first.
    matched
        (P,) the cell of each of these first ones.
    """

    index: Tensor
    matched: Tensor


def region_losses(
    model: MaskRCNN,
    images: Tensor,
    truths: list[Truth],
    settings: RegionSettings,
    *,
    class_weights: Tensor | None = None,
) -> Losses:
    """All losses of one batch.

    Parameters
    ----------
    images
        (B, C, H, W) float32, normalised.
    truths
        One for each image.
    settings
        Factors of the losses, and what they are computed on.
    class_weights
        (categories,) factors of regions with a cell in the loss of the categories.

    Returns
    -------
    Scalar tensors: loss_objectness, loss_rpn_box, loss_category, loss_box, loss_mask.
    """
    pyramid: Pyramid = model(images)
    proposals, losses = _anchor_losses(model, images, pyramid, truths, settings)
    return losses.and_of(_head_losses(model, images, pyramid, proposals, truths, settings, class_weights))


def _anchor_losses(
    model: MaskRCNN, images: Tensor, pyramid: Pyramid, truths: list[Truth], settings: RegionSettings
) -> tuple[list[Tensor], Losses]:
    """The regions that are proposed, and the losses of the anchors that they come from."""
    rpn, levels = model.rpn, list(pyramid.values())
    sizes = [(images.shape[2], images.shape[3])] * len(images)
    objectness, deltas = rpn.head(levels)
    anchors = rpn.anchor_generator(ImageList(images, sizes), levels)
    counts = [level.shape[1] * level.shape[2] * level.shape[3] for level in objectness]
    objectness, deltas = (part.float() for part in concat_box_prediction_layers(objectness, deltas))
    boxes = rpn.box_coder.decode(deltas.detach(), anchors).view(len(images), -1, 4)
    rpn._pre_nms_top_n["training"] = rpn._post_nms_top_n["training"] = settings.proposals
    proposals, _ = rpn.filter_proposals(boxes, objectness, sizes, counts)
    low, high = settings.anchor_iou
    chosen = []
    for own, truth in zip(anchors, truths, strict=True):
        matched = match(own, truth, low=low, high=high, keep_best=True)
        chosen.append(choose(matched, settings.anchors, settings.anchors_positive, seed=truth.seed))
    starts = torch.arange(len(images)) * len(anchors[0])
    every = torch.cat([one.index + start for one, start in zip(chosen, starts.tolist(), strict=True)])
    has_cell = torch.cat([_labels(one, truth) for one, truth in zip(chosen, truths, strict=True)]) > 0
    wanted = _deltas(rpn.box_coder, anchors, truths, chosen)
    n = every.new_tensor(max(1, len(every)))
    cell = F.binary_cross_entropy_with_logits(objectness.flatten()[every], has_cell.float(), reduction="sum") / n
    box = F.smooth_l1_loss(deltas[every[has_cell]], wanted, beta=_BETA, reduction="sum") / n
    values = {"loss_objectness": settings.objectness * cell, "loss_rpn_box": settings.rpn_box * box}
    return proposals, Losses(values, dict.fromkeys(values, n))


def _head_losses(
    model: MaskRCNN,
    images: Tensor,
    pyramid: Pyramid,
    proposals: list[Tensor],
    truths: list[Truth],
    settings: RegionSettings,
    class_weights: Tensor | None,
) -> Losses:
    """Losses of the categories, the boxes and the masks of regions; the cells' own boxes are among the regions."""
    heads, size = model.roi_heads, (images.shape[2], images.shape[3])
    everything = [torch.cat([boxes, truth.boxes]) for boxes, truth in zip(proposals, truths, strict=True)]
    chosen = []
    for boxes, truth in zip(everything, truths, strict=True):
        matched = match(boxes, truth, low=settings.region_iou, high=settings.region_iou)
        chosen.append(choose(matched, settings.regions, settings.regions_positive, seed=truth.seed))
    regions = [boxes[one.index] for boxes, one in zip(everything, chosen, strict=True)]
    pooled = heads.box_roi_pool(pyramid, regions, [size] * len(regions))
    logits, deltas = (part.float() for part in heads.box_predictor(heads.box_head(pooled)))
    labels = torch.cat([_labels(one, truth) for one, truth in zip(chosen, truths, strict=True)])
    n = labels.new_tensor(max(1, len(labels)))
    each = F.cross_entropy(logits, labels, reduction="none")
    if class_weights is not None:
        each = each * torch.cat([class_weights.new_ones(1), class_weights])[labels]
    front = torch.nonzero(labels > 0)[:, 0]
    wanted = _deltas(heads.box_coder, everything, truths, chosen)
    own = deltas.reshape(len(labels), -1, 4)[front, labels[front]]
    box = F.smooth_l1_loss(own, wanted, beta=_BETA, reduction="sum") / n
    values = {"loss_category": settings.classification * each.sum() / n, "loss_box": settings.box * box}
    mask, n_front = _mask_loss(model, pyramid, regions, chosen, truths, size)
    return Losses(values | {"loss_mask": settings.mask * mask}, dict.fromkeys(values, n) | {"loss_mask": n_front})


def _mask_loss(
    model: MaskRCNN,
    pyramid: Pyramid,
    regions: list[Tensor],
    chosen: list[Chosen],
    truths: list[Truth],
    size: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of the masks' pixels in regions with a cell, and the number of these regions."""
    heads = model.roi_heads
    front = [boxes[: len(one.matched)] for boxes, one in zip(regions, chosen, strict=True)]
    pooled = heads.mask_roi_pool(pyramid, front, [size] * len(front))
    logits = heads.mask_predictor(heads.mask_head(pooled)).float()
    masks, labels = [truth.masks for truth in truths], [truth.classes + 1 for truth in truths]
    loss = maskrcnn_loss(logits, front, masks, labels, [one.matched for one in chosen])
    return loss, logits.new_tensor(sum(map(len, front)))


def match(boxes: Tensor, truth: Truth, *, low: float, high: float, keep_best: bool = False) -> Tensor:
    """The cell that each box holds, (N,) int64; `IGNORED`, or below it for background.

    Parameters
    ----------
    boxes
        (N, 4).
    low, high
        Below `low` a box is background, from `high` on it holds the cell that it overlaps most.
    keep_best
        The boxes that overlap a cell most hold it, however little that is.

    A box whose middle lies where nobody said that there is no cell is not background, but `IGNORED`.
    """
    nothing = torch.full((len(boxes),), _BACKGROUND, dtype=torch.int64, device=boxes.device)
    if len(truth.boxes):
        overlap = box_iou(boxes, truth.boxes)
        best, cell = overlap.max(dim=1)
        matched = torch.where(best >= high, cell, torch.where(best < low, nothing, IGNORED))
        if keep_best:
            most = overlap.max(dim=0).values
            matched = torch.where(((overlap == most) & (overlap > 0)).any(dim=1), cell, matched)
    else:
        matched = nothing
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return torch.where((matched == _BACKGROUND) & is_unknown(middle, truth), IGNORED, matched)


def choose(matched: Tensor, count: int, positive: float, *, seed: int | None) -> Chosen:
    """Up to `count` boxes at random, at most a fraction `positive` of them with a cell.

    Parameters
    ----------
    matched
        As of `match`.
    seed
        Of the choice; by default it goes on with torch's random numbers.
    """
    own = None if seed is None else torch.Generator().manual_seed(seed)

    def some(of: Tensor, most: int) -> Tensor:
        return of[torch.randperm(len(of), generator=own)[:most].to(of.device)]

    front = some(torch.nonzero(matched >= 0)[:, 0], int(count * positive))
    back = some(torch.nonzero(matched == _BACKGROUND)[:, 0], count - len(front))
    return Chosen(torch.cat([front, back]), matched[front])


def _labels(chosen: Chosen, truth: Truth) -> Tensor:
    """(S,) 0 for background, then the categories."""
    labels = torch.zeros(len(chosen.index), dtype=torch.int64, device=chosen.index.device)
    labels[: len(chosen.matched)] = truth.classes[chosen.matched] + 1
    return labels


def _deltas(coder: object, boxes: list[Tensor], truths: list[Truth], chosen: list[Chosen]) -> Tensor:
    """(P, 4) how the boxes with a cell differ from it, as the network predicts it."""
    pairs = zip(boxes, truths, chosen, strict=True)
    fronts = [(own[one.index[: len(one.matched)]], truth.boxes[one.matched]) for own, truth, one in pairs]
    own, cells = (torch.cat(part) for part in zip(*fronts, strict=True))
    wanted: Tensor = coder.encode_single(cells, own)  # type: ignore[attr-defined]
    return wanted
