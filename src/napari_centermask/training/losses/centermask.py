"""Targets and losses of FCOS, the mask head and the mask-IoU head.

Source: FCOS, arXiv 1904.01355, sections 3.1 to 3.3 and its centre sampling; GIoU, arXiv 1902.09630;
Mask Scoring R-CNN, arXiv 1903.00241, section 3.3; CenterMask, arXiv 1911.06667, equation 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch.nn import functional as F
from torchvision.ops import box_iou, roi_align, sigmoid_focal_loss

from napari_centermask.models.nets.fcos import locations
from napari_centermask.settings import InstanceLossSettings
from napari_centermask.training.losses.weighed import Losses

INFINITE = 1e8  # pixels, and squared pixels: larger than any box, and exact enough beside one in float32
LARGEST_EXTENT = 8  # of a box from a location, in strides; FCOS section 3.2, "sizes of interest"
CENTRE_RADIUS = 1.5  # in strides; the reference's (FCOS, "center sampling")
FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0  # arXiv 1708.02002, section 5.1
REFERENCE = InstanceLossSettings()
_TINY = 1e-6  # in place of a sum or an area of 0; far below one of a pixel


@dataclass(frozen=True)
class Assignment:
    """FCOS targets of one image.

    Attributes
    ----------
    labels
        (L,) int64; the number of classes stands for background.
    ltrb
        (L, 4) distances in strides; used where the label is not background.
    matched
        (L,) index of the assigned object.
    """

    labels: torch.Tensor
    ltrb: torch.Tensor
    matched: torch.Tensor


def level_table(
    shapes: list[tuple[int, int]], strides: tuple[int, ...], *, device: torch.device | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points (L, 2), strides (L,) and size ranges (L, 2) of all locations; the last level has no upper end."""
    points = locations(shapes, strides, device=device)
    counts = torch.tensor([h * w for h, w in shapes], device=device)
    stride = torch.tensor(strides, dtype=torch.float32, device=device).repeat_interleave(counts)
    edges = (-1, *(LARGEST_EXTENT * s for s in strides[:-1]), INFINITE)
    ranges = torch.tensor(list(pairwise(edges)), dtype=torch.float32, device=device)
    return points, stride, ranges.repeat_interleave(counts, dim=0)


def assign(
    boxes: torch.Tensor, classes: torch.Tensor, table: tuple[torch.Tensor, torch.Tensor, torch.Tensor], n_classes: int
) -> Assignment:
    """Assign each location to the smallest object whose centre region holds it and whose size fits the level.

    Parameters
    ----------
    boxes, classes
        (N, 4) and (N,).
    table
        From `level_table`.
    """
    points, stride, ranges = table
    n_points = points.shape[0]
    if boxes.shape[0] == 0:
        nothing = torch.full((n_points,), n_classes, dtype=torch.int64, device=points.device)
        return Assignment(nothing, points.new_zeros((n_points, 4)), torch.zeros_like(nothing))
    x, y = points[:, :1], points[:, 1:]
    ltrb = torch.stack([x - boxes[:, 0], y - boxes[:, 1], boxes[:, 2] - x, boxes[:, 3] - y], dim=2)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    radius = stride[:, None] * CENTRE_RADIUS
    low = torch.maximum(centre[None] - radius[..., None], boxes[None, :, :2])
    high = torch.minimum(centre[None] + radius[..., None], boxes[None, :, 2:])
    inside = ((points[:, None] - low).amin(2) > 0) & ((high - points[:, None]).amin(2) > 0)
    extent = ltrb.amax(dim=2)
    fits = (extent >= ranges[:, :1]) & (extent <= ranges[:, 1:])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    cost = torch.where(inside & fits, area[None].expand(n_points, -1), INFINITE)
    smallest, matched = cost.min(dim=1)
    labels = torch.where(smallest == INFINITE, n_classes, classes[matched])
    target = ltrb[torch.arange(n_points, device=points.device), matched] / stride[:, None]
    return Assignment(labels, target, matched)


def centerness_target(ltrb: torch.Tensor) -> torch.Tensor:
    """sqrt of the ratios of the shorter to the longer sides (FCOS, equation 3), (N, 4) -> (N,)."""
    x, y = ltrb[:, [0, 2]], ltrb[:, [1, 3]]
    return ((x.amin(1) / x.amax(1)) * (y.amin(1) / y.amax(1))).sqrt()


def giou_loss(pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - GIoU of boxes given as l t r b about one point, with one added to intersection and union, (N, 4) -> (N,)."""
    area = (target[:, 0] + target[:, 2]) * (target[:, 1] + target[:, 3])
    pred_area = (pred[:, 0] + pred[:, 2]) * (pred[:, 1] + pred[:, 3])
    small, large = torch.minimum(pred, target), torch.maximum(pred, target)
    inter = (small[:, 0] + small[:, 2]) * (small[:, 1] + small[:, 3])
    hull = (large[:, 0] + large[:, 2]) * (large[:, 1] + large[:, 3])
    union = area + pred_area - inter
    return 1 - ((inter + 1.0) / (union + 1.0) - (hull - union) / hull)


def box_losses(pred: torch.Tensor, target: torch.Tensor, kind: str) -> torch.Tensor:
    """Losses of boxes given as l t r b about one point, (N, 4) -> (N,).

    "giou" as in `giou_loss`; "iou": -log IoU, with one added to intersection and union (UnitBox, arXiv 1608.01471, section 2,
    as in FCOS); "smooth_l1": its sum over the four sides (Fast R-CNN, arXiv 1504.08083, equation 3).
    """
    if kind == "giou":
        return giou_loss(pred, target)
    if kind == "smooth_l1":
        return F.smooth_l1_loss(pred, target, reduction="none").sum(dim=1)
    inter, union = _shared(pred, target)
    return -((inter + 1.0) / (union + 1.0)).log()


def _shared(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Areas of intersection and union of boxes given as l t r b about one point."""
    small = torch.minimum(a, b)
    shared = (small[:, 0] + small[:, 2]) * (small[:, 1] + small[:, 3])
    areas = [(box[:, 0] + box[:, 2]) * (box[:, 1] + box[:, 3]) for box in (a, b)]
    return shared, areas[0] + areas[1] - shared


def ltrb_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """IoU of boxes given as l t r b about one point, (N, 4) -> (N,) in [0, 1]."""
    inter, union = _shared(a, b)
    return inter / union.clamp(min=_TINY)


def quality_focal_loss(logits: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with a quality in [0, 1], times the squared distance from it; of the shape of both.

    Generalised focal loss, arXiv 2006.04388, equation 2, with its beta of 2.
    """
    distance = (logits.sigmoid() - quality).detach().abs()
    return F.binary_cross_entropy_with_logits(logits, quality, reduction="none") * distance**2


def fcos_losses(
    logits: torch.Tensor,
    ltrb: torch.Tensor,
    centerness: torch.Tensor,
    assignments: list[Assignment],
    *,
    ignored: torch.Tensor | None = None,
    quality: str = "centerness",
    settings: InstanceLossSettings = REFERENCE,
    class_weights: torch.Tensor | None = None,
) -> Losses:
    """Classification, box and centerness losses of a batch.

    Parameters
    ----------
    logits, ltrb, centerness
        (B, L, classes), (B, L, 4) in strides, (B, L).
    ignored
        (B, L) bool; background there is left out of the classification loss.
    quality
        What the centerness branch predicts: "centerness", "iou", that of its box with the cell's, or "none".
    settings
        Kinds of the losses, and their factors.
    class_weights
        (classes,) factors of the categories in the classification loss.

    Returns
    -------
    "loss_fcos_cls", "loss_fcos_loc" and, unless the quality is "none", "loss_fcos_ctr".
    """
    n_classes = logits.shape[2]
    labels = torch.stack([a.labels for a in assignments])
    targets = torch.stack([a.ltrb for a in assignments])
    positive = labels != n_classes
    n = positive.sum().clamp(min=1).to(logits.dtype)
    wanted = F.one_hot(labels, n_classes + 1)[..., :n_classes].to(logits.dtype)
    iou = ltrb_iou(ltrb[positive].detach(), targets[positive]).to(logits.dtype)
    if settings.classification_loss == "quality":
        wanted[positive] = wanted[positive] * iou[:, None]
        focal = quality_focal_loss(logits, wanted)
    else:
        focal = sigmoid_focal_loss(logits, wanted, alpha=FOCAL_ALPHA, gamma=FOCAL_GAMMA, reduction="none")
    if class_weights is not None:
        focal = focal * class_weights
    if ignored is not None:
        focal = focal * (positive | ~ignored)[..., None]
    losses = {"loss_fcos_cls": settings.classification * focal.sum() / n}
    if not positive.any():
        nothing = {"loss_fcos_loc": ltrb.sum() * 0.0}
        if quality != "none":
            nothing["loss_fcos_ctr"] = centerness.sum() * 0.0
        return Losses(losses | nothing, {"loss_fcos_cls": n} | dict.fromkeys(nothing, n * 0))
    ctr = centerness_target(targets[positive])
    box = box_losses(ltrb[positive], targets[positive], settings.box_loss)
    weight = ctr.sum().clamp(min=_TINY)
    losses["loss_fcos_loc"] = settings.box * (box * ctr).sum() / weight
    counts = {"loss_fcos_cls": n, "loss_fcos_loc": weight}
    if quality != "none":
        of_boxes = F.binary_cross_entropy_with_logits(
            centerness[positive], ctr if quality == "centerness" else iou, reduction="sum"
        )
        losses["loss_fcos_ctr"], counts["loss_fcos_ctr"] = settings.box_quality * of_boxes / n, n
    return Losses(losses, counts)


@dataclass(frozen=True)
class Sample:
    """Regions chosen for training the mask heads.

    Attributes
    ----------
    indices
        (S,) into proposals followed by the objects; foreground first.
    matched
        (S,) the object each overlaps most.
    foreground
        Number of foreground regions.
    """

    indices: torch.Tensor
    matched: torch.Tensor
    foreground: int


def sample_regions(
    proposals: torch.Tensor,
    boxes: torch.Tensor,
    *,
    count: int = 512,
    fraction: float = 0.25,
    shuffle: bool = True,
    seed: int | None = None,
) -> Sample:
    """Match proposals and objects at IoU 0.5 and choose foreground and background regions; the defaults are the reference's.

    Parameters
    ----------
    proposals
        (P, 4); the objects' own boxes are appended to them.
    boxes
        (N, 4) of the objects.
    seed
        Of the choice, which is then the same whatever was drawn before; by default it goes on with torch's random numbers.
    """
    everything = torch.cat([proposals, boxes])
    if boxes.shape[0] == 0:
        keep = torch.arange(len(everything), device=everything.device)[:count]
        return Sample(keep, torch.zeros_like(keep), 0)
    overlap, matched = box_iou(everything, boxes).max(dim=1)
    chosen = [(overlap >= 0.5).nonzero()[:, 0], (overlap < 0.5).nonzero()[:, 0]]
    if shuffle:
        own = None if seed is None else torch.Generator().manual_seed(seed)
        chosen = [c[torch.randperm(len(c), generator=own).to(c.device)] for c in chosen]
    front = chosen[0][: int(count * fraction)]
    indices = torch.cat([front, chosen[1][: count - len(front)]])
    return Sample(indices, matched[indices], len(front))


def mask_targets(
    masks: torch.Tensor, matched: torch.Tensor, boxes: torch.Tensor, *, side: int = 28
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each region's target of `side` x `side`, and how much of its object lies inside the region.

    Parameters
    ----------
    masks
        (N, H, W) uint8.
    matched, boxes
        (S,) object of each region, and the regions (S, 4).

    Returns
    -------
    targets : (S, side, side) float32, 0 or 1
    inside : (S,) float32 in (0, 1], the object's pixels inside the region's box as a part of all its pixels
    """
    if len(matched) == 0:
        return boxes.new_zeros((0, side, side)), boxes.new_zeros(0)
    rois = torch.cat([matched[:, None].to(boxes.dtype), boxes], dim=1)
    targets = roi_align(masks[:, None].to(boxes.dtype), rois, side, 1.0, 0, aligned=True)[:, 0] >= 0.5
    height, width = masks.shape[1:]
    # pixels inside a box from a summed-area table, one look-up per corner
    table = F.pad(masks.to(torch.float32).cumsum(1).cumsum(2), (1, 0, 1, 0))
    x0, x1 = (boxes[:, i].round().long().clamp(0, width) for i in (0, 2))
    y0, y1 = (boxes[:, i].round().long().clamp(0, height) for i in (1, 3))
    within = table[matched, y1, x1] - table[matched, y0, x1] - table[matched, y1, x0] + table[matched, y0, x0]
    return targets.to(boxes.dtype), within / table[matched, -1, -1].clamp(min=1)


def mask_losses(
    logits: torch.Tensor,
    mask_iou: torch.Tensor | None,
    targets: torch.Tensor,
    inside: torch.Tensor,
    *,
    settings: InstanceLossSettings = REFERENCE,
    weights: torch.Tensor | None = None,
) -> Losses:
    """Mask and mask-IoU losses of foreground regions.

    Parameters
    ----------
    logits
        (S, side, side) of each region's class.
    mask_iou
        (S,) predictions, None without that head.
    targets, inside
        As from `mask_targets`.
    settings
        Which losses of the masks, and their factors.
    weights
        (S,) how much each region counts; by default all alike.

    Returns
    -------
    "loss_mask" and, with the head, "loss_maskiou".
    """
    if len(logits) == 0:
        zero = logits.sum() * 0.0
        nothing = {"loss_mask": zero} | ({} if mask_iou is None else {"loss_maskiou": zero + mask_iou.sum() * 0.0})
        return Losses(nothing, dict.fromkeys(nothing, zero.detach()))
    each = settings.mask * F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean((1, 2))
    if settings.mask_dice:
        each = each + settings.mask_dice * dice_losses(logits, targets)
    if settings.mask_boundary:
        each = each + settings.mask_boundary * boundary_losses(logits, targets)
    weights = torch.ones_like(each) if weights is None else weights
    losses, counts = {"loss_mask": (each * weights).sum() / weights.sum()}, {"loss_mask": weights.sum()}
    if mask_iou is not None:
        wanted = mask_iou_targets(logits, targets, inside)
        valid = wanted > 0
        squared = 0.5 * (mask_iou.to(wanted.dtype) - wanted) ** 2
        counts["loss_maskiou"] = valid.sum()
        losses["loss_maskiou"] = settings.mask_iou * (squared * valid).sum() / valid.sum().clamp(min=1)
    return Losses(losses, counts)


def dice_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """1 - soft Dice of each region, with squares in the denominator (V-Net, arXiv 1606.04797, section 3), (S, s, s) -> (S,)."""
    p = logits.sigmoid()
    shared, both = (p * targets).sum((1, 2)), (p * p).sum((1, 2)) + (targets * targets).sum((1, 2))
    return 1 - 2 * shared / both.clamp(min=_TINY)


def boundary_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the pixels next to a mask's edge, on both sides of it, (S, s, s) -> (S,); 0 without an edge."""
    around = F.max_pool2d(targets[:, None], 3, stride=1, padding=1)[:, 0]
    within = -F.max_pool2d(-targets[:, None], 3, stride=1, padding=1)[:, 0]
    edge = around - within
    pixels = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (pixels * edge).sum((1, 2)) / edge.sum((1, 2)).clamp(min=1)


def area_weights(areas: torch.Tensor, power: float) -> torch.Tensor:
    """How much regions of these areas count, (S,) -> (S,): (median / area) to a power; one region counts ten others at most."""
    return (areas.median() / areas.clamp(min=_TINY)).pow(power).clamp(0.1, 10)


def mask_iou_targets(logits: torch.Tensor, targets: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """IoU of the predicted mask with the whole object, also with what lies outside the region, (S,) float64."""
    pred = (logits > 0).double()
    truth = targets.double()
    whole = truth.sum((1, 2)) / inside.double().clamp(min=_TINY)
    overlap = (pred * truth).sum((1, 2))
    union = pred.sum((1, 2)) + whole - overlap
    return torch.where(union > 0, overlap / union.clamp(min=1.0), torch.zeros_like(union))
