"""What compression needs to know of a CenterMask; see `models.families.Family.compression`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.settings import ModelSettings

_MOST_MASKS = 48  # cells of a batch whose masks are compared; a choice, as in the training
_A_CANDIDATE = 0.05  # FCOS' own lowest score of one


def why_not(student: ModelSettings, teacher: ModelSettings) -> str:
    """Why a teacher of this form does not fit; empty if it does."""
    if student.strides == teacher.strides:
        return ""
    return f"A teacher has the strides {teacher.strides}, the student {student.strides}. They must be the same."


def adapter(student: CenterMask, teacher: CenterMask) -> nn.Module:
    """From the student's features to the width of the teacher's."""
    return nn.Conv2d(student.settings.fpn_channels, teacher.settings.fpn_channels, 1)


def losses(
    student: CenterMask,
    teacher: CenterMask,
    images: Tensor,
    truths: Any,
    *,
    temperature: float,
    adapter: nn.Module | None,
) -> dict[str, Tensor]:
    """Classes, boxes, centerness (if both have it) and masks of a student beside a teacher, and features with an adapter."""
    with torch.no_grad():
        levels, logits, ltrb, centerness = teacher.dense(images)
        sure = logits.sigmoid().amax(dim=2) * centerness.sigmoid()  # (B, L)
    own_levels, own_logits, own_ltrb, own_centerness = student.dense(images)
    norm = sure.sum().clamp(min=1.0)
    wanted, found = (logits / temperature).sigmoid(), (own_logits / temperature).sigmoid()
    hard = (wanted - found.detach()).abs() ** 2
    classes = hard * F.binary_cross_entropy_with_logits(own_logits / temperature, wanted, reduction="none")
    place = sure > _A_CANDIDATE
    boxes = generalized_box_iou_loss(_corners(own_ltrb[place]), _corners(ltrb[place]), reduction="none")
    result = {
        "classes": classes.sum() / norm * temperature**2,
        "boxes": (boxes * sure[place]).sum() / norm,
    }
    if student.settings.rates_boxes and teacher.settings.rates_boxes:
        rated = centerness[place].sigmoid()
        quality = F.binary_cross_entropy_with_logits(own_centerness[place], rated, reduction="none")
        result["centerness"] = (quality * sure[place]).sum() / norm
    if adapter is not None:
        pairs = zip(own_levels, levels, strict=True)
        result["features"] = torch.stack([F.mse_loss(_normalised(adapter(a)), _normalised(b)) for a, b in pairs]).mean()
    area = float(images.shape[2] * images.shape[3])
    return result | _masks(student, teacher, own_levels, levels, truths, area, temperature)


def _masks(
    student: CenterMask,
    teacher: CenterMask,
    own: Sequence[Tensor],
    theirs: Sequence[Tensor],
    truths: Any,
    area: float,
    temperature: float,
) -> dict[str, Tensor]:
    rois = torch.cat([torch.cat([torch.full_like(t.boxes[:, :1], i), t.boxes], dim=1) for i, t in enumerate(truths)])
    classes = torch.cat([t.classes for t in truths])
    if not len(rois) or student.settings.roi_size != teacher.settings.roi_size:
        return {}
    chosen = torch.randperm(len(rois))[:_MOST_MASKS]
    with torch.no_grad():
        wanted, _ = teacher.roi(theirs, rois[chosen], classes[chosen], area)
    found, _ = student.roi(own, rois[chosen], classes[chosen], area)
    loss = F.binary_cross_entropy_with_logits(found / temperature, (wanted / temperature).sigmoid())
    return {"masks": loss * temperature**2}


def _corners(ltrb: Tensor) -> Tensor:
    """Boxes around the origin."""
    return torch.cat([-ltrb[:, :2], ltrb[:, 2:]], dim=1)


def _normalised(maps: Tensor) -> Tensor:
    """(B, C, H, W) with mean 0 and variance 1 in each channel over batch and places."""
    mean, std = maps.mean(dim=(0, 2, 3), keepdim=True), maps.std(dim=(0, 2, 3), keepdim=True)
    return (maps - mean) / (std + 1e-6)


def traced(network: CenterMask, image: Tensor) -> list[Tensor]:
    """Outputs along one way that touches all layers, without choices that depend on the data."""
    pyramid, logits, ltrb, centerness = network.dense(image)
    heads, size = network.roi_heads, network.settings.roi_size
    pooled = torch.stack([F.interpolate(level, (size, size)) for level in pyramid]).sum(dim=0)
    masks = heads.mask_head(pooled)
    outputs = [logits, ltrb, centerness, masks]
    if heads.maskiou_head is not None:
        outputs.append(heads.maskiou_head(pooled, masks[:, 0]))
    return outputs


def predictors(network: CenterMask) -> list[nn.Module]:
    """Layers whose outputs are fixed: those that predict."""
    head, heads = network.proposal_generator.fcos_head, network.roi_heads
    layers: list[nn.Module] = [
        head.cls_logits,
        head.bbox_pred,
        heads.mask_head.predictor,
        heads.mask_head.spatialAtt.conv,
    ]
    if head.ctrness is not None:
        layers.append(head.ctrness)
    return layers if heads.maskiou_head is None else [*layers, heads.maskiou_head.maskiou]


def note_width(network: CenterMask) -> None:
    """Note the width of the pyramid in the settings, which say what the graphs look like."""
    first = next(m for m in network.proposal_generator.fcos_head.modules() if isinstance(m, nn.Conv2d))
    network.settings = network.settings.model_copy(update={"fpn_channels": first.in_channels})
