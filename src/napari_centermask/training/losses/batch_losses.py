"""All losses of one batch: dense heads at every location, mask heads at sampled regions."""

from __future__ import annotations

import torch

from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.nets.fcos import flatten, propose
from napari_centermask.settings import InstanceLossSettings
from napari_centermask.training.data.parts import Truth
from napari_centermask.training.losses.centermask import (
    REFERENCE,
    area_weights,
    assign,
    fcos_losses,
    level_table,
    mask_losses,
    mask_targets,
    sample_regions,
)
from napari_centermask.training.losses.weighed import Losses

REGIONS = 48
"""Regions per tile for training the mask heads: a quarter foreground, as in the reference (which has 512). A choice: the mask
heads take time in proportion."""


def batch_losses(
    model: CenterMask,
    images: torch.Tensor,
    truths: list[Truth],
    settings: InstanceLossSettings = REFERENCE,
    *,
    class_weights: torch.Tensor | None = None,
) -> Losses:
    """All losses of one batch.

    Parameters
    ----------
    images
        (B, C, H, W) float32, normalised.
    truths
        One per image.
    settings
        Kinds of the losses, and their factors.
    class_weights
        (categories,) factors in the classification loss.

    Returns
    -------
    Scalar tensors: loss_fcos_cls, loss_fcos_loc, loss_fcos_ctr (if boxes are rated), loss_mask, loss_maskiou.
    """
    pyramid = model.pyramid(images)
    maps = model.proposal_generator.fcos_head(pyramid)
    shapes = [tuple(m.shape[2:]) for m in maps[0]]
    table = level_table(shapes, model.strides, device=images.device)
    logits, ltrb, centerness = (flatten(m).float() for m in maps)
    n_classes = logits.shape[2]
    assignments = [assign(t.boxes, t.classes, table, n_classes) for t in truths]
    ignored = torch.stack([is_unknown(table[0], t) for t in truths])
    quality = model.settings.box_quality
    losses = fcos_losses(
        logits,
        ltrb,
        centerness[..., 0],
        assignments,
        ignored=ignored,
        quality=quality,
        settings=settings,
        class_weights=class_weights,
    )
    pixels = ltrb.detach() * table[1][:, None]
    proposals = propose(logits.detach(), pixels, centerness.detach()[..., 0], table[0], table[1])
    return losses.and_of(_region_losses(model, pyramid, proposals, truths, images.shape, settings))


def _region_losses(
    model: CenterMask,
    pyramid: list[torch.Tensor],
    proposals: list[tuple[torch.Tensor, torch.Tensor]],
    truths: list[Truth],
    shape: torch.Size,
    settings: InstanceLossSettings,
) -> Losses:
    rois, classes, targets, inside, areas = [], [], [], [], []
    for i, ((boxes, _), truth) in enumerate(zip(proposals, truths, strict=True)):
        sample = sample_regions(boxes, truth.boxes, count=REGIONS, seed=truth.seed)
        front = sample.indices[: sample.foreground]
        matched = sample.matched[: sample.foreground]
        chosen = torch.cat([boxes, truth.boxes])[front]
        rois.append(torch.cat([torch.full_like(chosen[:, :1], i), chosen], dim=1))
        classes.append(truth.classes[matched])
        target, part = mask_targets(truth.masks, matched, chosen, side=2 * model.settings.roi_size)
        targets.append(target)
        inside.append(part)
        areas.append(truth.masks.sum((1, 2))[matched].float())
    area = float(shape[2] * shape[3])
    pooled = pyramid[: len(model.settings.pooled_levels)]
    logits, iou = model.roi(pooled, torch.cat(rois), torch.cat(classes), area)
    iou = iou.float() if model.settings.maskiou else None
    weights = area_weights(torch.cat(areas), settings.small_cells) if settings.small_cells and len(logits) else None
    return mask_losses(logits.float(), iou, torch.cat(targets), torch.cat(inside), settings=settings, weights=weights)


def is_unknown(points: torch.Tensor, truth: Truth) -> torch.Tensor:
    """(N,) bool: whether each point (N, 2; x, y) lies where nobody said that there is no cell."""
    return _inside_any(points, truth.ignore) | _on(points, truth.unreviewed)


def _inside_any(points: torch.Tensor, boxes: torch.Tensor | None) -> torch.Tensor:
    if boxes is None or len(boxes) == 0:
        return torch.zeros(len(points), dtype=torch.bool, device=points.device)
    low = points[:, None] > boxes[None, :, :2]
    high = points[:, None] < boxes[None, :, 2:]
    return (low & high).all(2).any(1)


def _on(points: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Whether each point (x, y) lies on a mask (H, W)."""
    if mask is None:
        return torch.zeros(len(points), dtype=torch.bool, device=points.device)
    x = points[:, 0].long().clamp(0, mask.shape[1] - 1)
    y = points[:, 1].long().clamp(0, mask.shape[0] - 1)
    return mask[y, x] > 0
