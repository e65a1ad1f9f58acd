"""Losses of a U-Net's maps. Each is checked against values computed by hand in the tests.

Sources: focal, T. Lin et al., arXiv 1708.02002, equation 5; Dice, F. Milletari et al., arXiv 1606.04797, section 3, with
linear sums as in M. Drozdzal et al., arXiv 1608.04117; Tversky, S. Salehi et al., arXiv 1706.05721, equation 2;
boundary, H. Kervadec et al., arXiv 1812.07032, equation 5; the weights of coarser levels, F. Isensee et al., nnU-Net,
Nature Methods 2021, supplementary note 2.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_centermask.settings import LossSettings, UNetSettings
from napari_centermask.training.data.map_targets import IGNORED
from napari_centermask.training.data.parts import MapTruth

SMOOTH = 1.0
"""Added to both sums of Dice and Tversky, so that a class that is neither present nor predicted costs nothing; one pixel, a
choice."""


def map_losses(
    outputs: list[Tensor],
    truth: MapTruth,
    model: UNetSettings,
    losses: LossSettings,
    *,
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """Compute all losses of a batch.

    Parameters
    ----------
    outputs
        (B, maps, T, T) raw maps, then those of coarser levels, each half as large.
    class_weights
        (classes,) float32, background first; equal by default.

    Returns
    -------
    dict
        Scalars loss_class, loss_border and loss_distance, if the model has such maps. Levels weigh 1, 1/2, 1/4, ... of their
        sum.
    """
    total: dict[str, Tensor] = {}
    whole = sum(0.5**n for n in range(len(outputs)))
    for level, output in enumerate(outputs):
        level_losses = _level_losses(output.float(), _coarser(truth, 2**level), model, losses, class_weights)
        for name, value in level_losses.items():
            total[name] = total.get(name, 0.0) + value * 0.5**level / whole
    return total


def _level_losses(
    raw: Tensor, truth: MapTruth, model: UNetSettings, losses: LossSettings, weights: Tensor | None
) -> dict[str, Tensor]:
    n = model.n_classes
    values = {"loss_class": class_loss(raw[:, :n], truth.classes.long(), truth.signed, losses, weights)}
    known = (truth.classes != IGNORED).float()
    others = dict(zip(model.map_names[n:], raw[:, n:].unbind(1), strict=True))
    if "border" in others:
        values["loss_border"] = losses.border * border_loss(others["border"], truth.border.float(), known)
    if "distance" in others:
        values["loss_distance"] = losses.distance * distance_loss(others["distance"], truth.distance, known)
    return values


def class_loss(raw: Tensor, classes: Tensor, signed: Tensor, losses: LossSettings, weights: Tensor | None) -> Tensor:
    """The weighted sum of the chosen losses of the classes.

    Parameters
    ----------
    raw
        (B, classes, H, W) logits.
    classes
        (B, H, W) int64, `IGNORED` where not known.
    signed
        (B, H, W) float32, see `MapTile.signed`.
    weights
        (classes,) or None.
    """
    total = raw.sum() * 0.0  # part of the graph even if all weights are 0
    if not (classes != IGNORED).any():
        return total
    if losses.cross_entropy:
        total = total + losses.cross_entropy * F.cross_entropy(raw, classes, weights, ignore_index=IGNORED)
    if losses.focal:
        total = total + losses.focal * focal_loss(raw, classes, losses.focal_gamma, weights)
    if losses.dice:
        total = total + losses.dice * tversky_loss(raw, classes, 0.5, 0.5, weights)
    if losses.tversky:
        total = total + losses.tversky * tversky_loss(
            raw, classes, losses.tversky_alpha, 1 - losses.tversky_alpha, weights
        )
    if losses.boundary:
        total = total + losses.boundary * boundary_loss(raw, classes, signed)
    return total


def focal_loss(raw: Tensor, classes: Tensor, gamma: float, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy times (1 - p) ** gamma, so that pixels that are already right count less."""
    each = F.cross_entropy(raw, classes, weights, ignore_index=IGNORED, reduction="none")
    known = classes != IGNORED
    index = torch.where(known, classes, 0)
    right = raw.softmax(dim=1).gather(1, index[:, None])[:, 0]
    share = known.float() if weights is None else weights[index] * known
    return ((1 - right) ** gamma * each * known).sum() / share.sum()


def tversky_loss(raw: Tensor, classes: Tensor, alpha: float, beta: float, weights: Tensor | None = None) -> Tensor:
    """1 - TP / (TP + alpha FP + beta FN) over the batch, mean over the categories; Dice where both are one half."""
    n = raw.shape[1]
    known = classes != IGNORED
    truth = F.one_hot(torch.where(known, classes, 0), n).movedim(-1, 1)[:, 1:] * known[:, None]
    predicted = raw.softmax(dim=1)[:, 1:] * known[:, None]
    right = (predicted * truth).sum(dim=(0, 2, 3))
    wrong, missed = predicted.sum(dim=(0, 2, 3)) - right, truth.sum(dim=(0, 2, 3)) - right
    each = 1 - (right + SMOOTH) / (right + alpha * wrong + beta * missed + SMOOTH)
    share = torch.ones_like(each) if weights is None else weights[1:]
    return (each * share).sum() / share.sum()


def boundary_loss(raw: Tensor, classes: Tensor, signed: Tensor) -> Tensor:
    """Mean of the foreground's probability times the signed distance: far outside costs most, deep inside least."""
    known = classes != IGNORED
    foreground = 1 - raw.softmax(dim=1)[:, 0]
    return (foreground * signed * known).sum() / known.sum()


def border_loss(raw: Tensor, border: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy and Dice of the border's map, each one half: the border is thin; all (B, H, W)."""
    each = F.binary_cross_entropy_with_logits(raw, border, reduction="none")
    predicted = raw.sigmoid() * known
    right = (predicted * border).sum()
    dice = 1 - (2 * right + SMOOTH) / (predicted.sum() + (border * known).sum() + SMOOTH)
    return 0.5 * ((each * known).sum() / known.sum().clamp(min=1) + dice)


def distance_loss(raw: Tensor, distance: Tensor, known: Tensor) -> Tensor:
    """Mean absolute error, of cells and of the background one half each; all (B, H, W)."""
    each = (raw.sigmoid() - distance).abs()
    cells, background = (
        (each * part).sum() / part.sum().clamp(min=1) for part in (known * (distance > 0), known * (distance <= 0))
    )
    return 0.5 * (cells + background)


def _coarser(truth: MapTruth, factor: int) -> MapTruth:
    """The maps at a smaller size: the class of one pixel per square, border if any pixel is, means of the others."""
    if factor == 1:
        return truth
    return MapTruth(
        truth.classes[:, factor // 2 :: factor, factor // 2 :: factor],
        F.max_pool2d(truth.border.float()[:, None], factor)[:, 0],
        *(F.avg_pool2d(m[:, None], factor)[:, 0] for m in (truth.distance, truth.signed)),
    )
