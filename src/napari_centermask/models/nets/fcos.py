"""FCOS head: class, box and centerness at every location of every level.

Source: Tian et al., FCOS, arXiv 1904.01355; centerness on the box tower as in its later revision.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import batched_nms

from napari_centermask.models.nets.norm import GROUPS

PRIOR_PROBABILITY = 0.01  # arXiv 1708.02002, section 3.3
CERTAIN = 20.0
"""Logit of the quality of all boxes in a network that predicts none; its sigmoid is 1 in float32."""
_SPREAD = 0.01  # of the weights at the start; arXiv 1708.02002, section 4.1


class Scale(nn.Module):
    """A trainable factor per level."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


def _tower(channels: int, width: int, convs: int, norm: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(convs):
        layers.append(nn.Conv2d(width if i else channels, width, 3, padding=1))
        layers.append(nn.GroupNorm(GROUPS, width) if norm == "GN" else nn.Identity())
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class FCOSHead(nn.Module):
    """Towers shared by all levels.

    Parameters
    ----------
    channels
        Of the pyramid.
    width
        Channels of the towers; by default those of the pyramid.
    rates_boxes
        Predict the centerness, or another quality, of each box.
    """

    def __init__(
        self,
        channels: int,
        n_classes: int,
        *,
        levels: int,
        convs: int,
        norm: str,
        width: int | None = None,
        rates_boxes: bool = True,
    ) -> None:
        super().__init__()
        width = width or channels
        self.cls_tower = _tower(channels, width, convs, norm)
        self.bbox_tower = _tower(channels, width, convs, norm)
        self.share_tower = nn.Sequential()
        self.cls_logits = nn.Conv2d(width, n_classes, 3, padding=1)
        self.bbox_pred = nn.Conv2d(width, 4, 3, padding=1)
        self.ctrness = nn.Conv2d(width, 1, 3, padding=1) if rates_boxes else None
        self.scales = nn.ModuleList(Scale() for _ in range(levels))
        self._initialise(tower_gain=None if norm == "GN" else 2.0**0.5)

    def _initialise(self, *, tower_gain: float | None) -> None:
        for tower in (self.cls_tower, self.bbox_tower):
            for layer in tower:
                if isinstance(layer, nn.Conv2d):
                    if tower_gain is None:
                        nn.init.normal_(layer.weight, std=_SPREAD)
                    else:  # without a norm, a variance-preserving start is needed
                        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                    nn.init.zeros_(layer.bias)
        for layer in (self.cls_logits, self.bbox_pred, self.ctrness):
            if layer is None:
                continue
            nn.init.normal_(layer.weight, std=_SPREAD)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.cls_logits.bias, -math.log((1 - PRIOR_PROBABILITY) / PRIOR_PROBABILITY))

    def forward(self, pyramid: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
        """Per level: class logits (B, classes, h, w), l t r b in strides (B, 4, h, w), centerness (B, 1, h, w).

        The centerness is `CERTAIN` everywhere if boxes are not rated.
        """
        logits, ltrb, centerness = [], [], []
        for level, x in enumerate(pyramid):
            cls, box = self.cls_tower(x), self.bbox_tower(x)
            logits.append(self.cls_logits(cls))
            ltrb.append(F.relu(self.scales[level](self.bbox_pred(box))))
            rated = torch.full_like(box[:, :1], CERTAIN) if self.ctrness is None else self.ctrness(box)
            centerness.append(rated)
        return logits, ltrb, centerness


def flatten(maps: list[torch.Tensor]) -> torch.Tensor:
    """Levels of (B, C, h, w) -> (B, L, C), row-major inside a level, levels one after another."""
    return torch.cat([m.flatten(2).transpose(1, 2) for m in maps], dim=1)


def locations(
    shapes: list[tuple[int, int]], strides: tuple[int, ...], *, device: torch.device | None = None
) -> torch.Tensor:
    """(L, 2) x, y in input pixels of all locations: index * stride + stride // 2."""
    parts = []
    for (h, w), stride in zip(shapes, strides, strict=True):
        y = torch.arange(h, device=device, dtype=torch.float32) * stride + stride // 2
        x = torch.arange(w, device=device, dtype=torch.float32) * stride + stride // 2
        yy, xx = torch.meshgrid(y, x, indexing="ij")
        parts.append(torch.stack([xx.reshape(-1), yy.reshape(-1)], dim=1))
    return torch.cat(parts)


@torch.no_grad()
def propose(
    logits: torch.Tensor,
    ltrb: torch.Tensor,
    centerness: torch.Tensor,
    points: torch.Tensor,
    strides: torch.Tensor,
    *,
    score: float = 0.05,
    nms: float = 0.6,
    candidates: int = 1000,
    keep: int = 100,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Training proposals on the model's device; the defaults are the reference's (the goldens' notes, items 10 and 11, and
    "Training goldens").

    Parameters
    ----------
    logits, ltrb, centerness
        (B, L, classes), (B, L, 4) in pixels, (B, L).
    points, strides
        (L, 2) x, y and (L,), which tells the levels apart.
    candidates
        Most of each level that go into the suppression.

    Returns
    -------
    list of (boxes (N, 4) x0 y0 x1 y1, classes (N,)) per image, best first.
    """
    results = []
    for cls, box, ctr in zip(logits.float().sigmoid(), ltrb.float(), centerness.float().sigmoid(), strict=True):
        where, classes = (cls > score).nonzero(as_tuple=True)
        scores = (cls[where, classes] * ctr[where]).sqrt()
        best = _top_per_level(scores, strides[where], candidates)
        scores, where, classes = scores[best], where[best], classes[best]
        xy = points[where]
        boxes = torch.cat([xy - box[where, :2], xy + box[where, 2:]], dim=1)
        kept = batched_nms(boxes, scores, classes, nms)[:keep]
        results.append((boxes[kept], classes[kept]))
    return results


def _top_per_level(scores: torch.Tensor, strides: torch.Tensor, count: int) -> torch.Tensor:
    """Indices of the best `count` of each level."""
    if scores.numel() <= count:
        return torch.arange(scores.numel(), device=scores.device)
    levels = [(strides == stride).nonzero()[:, 0] for stride in strides.unique()]
    return torch.cat([level[scores[level].topk(min(count, level.numel())).indices] for level in levels])
