"""Heads on regions of interest: adaptive level assignment, spatial-attention mask head, mask-IoU head.

Source: Lee and Park, CenterMask, arXiv 1911.06667, sections 3.2 and 3.3; Huang et al., Mask Scoring R-CNN, arXiv 1903.00241.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import roi_align


def assign_levels(
    boxes: torch.Tensor, image_area: torch.Tensor | float, *, rule: str, first_level: int = 3
) -> torch.Tensor:
    """Which level, of the first one to P5, a box is pooled from.

    Parameters
    ----------
    boxes
        (N, 4) x0, y0, x1, y1 in pixels, not clipped.
    image_area
        Pixels of the image without padding, one value or one per box; used by "ratio" only.
    rule
        "ratio": ceil(5 - log2(image area / box area)), equation 2 of CenterMask. "area": 4 + log2(side / 224),
        equation 1 of FPN, which does not depend on the tile.

    Returns
    -------
    (N,) int64, counted from the first level.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    if rule == "ratio":
        level = torch.ceil(5.0 - torch.log2(image_area / area))
    else:
        level = torch.floor(4.0 + torch.log2(area.sqrt() / 224.0 + 1e-8))  # as in detectron2, for boxes without area
    return level.clamp(first_level, 5).to(torch.int64) - first_level


def pool(pyramid: Sequence[torch.Tensor], rois: torch.Tensor, levels: torch.Tensor, *, size: int = 14) -> torch.Tensor:
    """RoIAlign (aligned, adaptive sampling) of each region from its level.

    Parameters
    ----------
    pyramid
        The levels up to P5, finest first.
    rois
        (N, 5) batch index, x0, y0, x1, y1 in pixels of an image that P5 has a 32nd of the sides of.
    levels
        (N,) as from `assign_levels`.
    size
        Side of what is pooled.

    Returns
    -------
    (N, C, size, size)
    """
    pooled = pyramid[0].new_zeros((rois.shape[0], pyramid[0].shape[1], size, size))
    for level, features in enumerate(pyramid):
        stride = 2 ** (6 - len(pyramid) + level)
        chosen = torch.nonzero(levels == level)[:, 0]
        part = roi_align(features, rois[chosen].to(features.dtype), size, 1.0 / stride, 0, aligned=True)
        pooled = pooled.index_put((chosen,), part)
    return pooled


class SpatialAttention(nn.Module):
    """Weight each pixel by its channels' mean and maximum (CenterMask, equation 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 3, padding=1, bias=False)

    def attention(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, s, s) -> (N, 1, s, s) in [0, 1]."""
        pair = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return self.conv(pair).sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.attention(x)


class MaskHead(nn.Module):
    """Convolutions, spatial attention, upsampling to twice the side, one map per class."""

    def __init__(self, in_channels: int, channels: int, convs: int, n_classes: int) -> None:
        super().__init__()
        self.convs = convs
        for i in range(convs):
            conv = nn.Conv2d(in_channels if i == 0 else channels, channels, 3, padding=1)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(conv.bias)
            self.add_module(f"mask_fcn{i + 1}", conv)
        self.spatialAtt = SpatialAttention()
        self.deconv = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        nn.init.kaiming_normal_(self.deconv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.deconv.bias)
        self.predictor = nn.Conv2d(channels, n_classes, 1)
        nn.init.normal_(self.predictor.weight, std=0.001)  # as in detectron2
        nn.init.zeros_(self.predictor.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, s, s) -> logits (N, classes, 2 s, 2 s)."""
        for i in range(self.convs):
            x = F.relu(getattr(self, f"mask_fcn{i + 1}")(x))
        return self.predictor(F.relu(self.deconv(self.spatialAtt(x))))


class MaskIoUHead(nn.Module):
    """Predicts the IoU of each mask from the region's features, of side `size`, and the mask itself."""

    def __init__(self, in_channels: int, channels: int, convs: int, fc: int, n_classes: int, *, size: int = 14) -> None:
        super().__init__()
        self.convs = convs
        for i in range(convs):
            stride = 2 if i == convs - 1 else 1
            conv = nn.Conv2d(in_channels + 1 if i == 0 else channels, channels, 3, stride=stride, padding=1)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(conv.bias)
            self.add_module(f"maskiou_fcn{i + 1}", conv)
        self.maskiou_fc1 = nn.Linear(channels * (-(-size // 2)) ** 2, fc)
        self.maskiou_fc2 = nn.Linear(fc, fc)
        self.maskiou = nn.Linear(fc, n_classes)
        for linear in (self.maskiou_fc1, self.maskiou_fc2):
            nn.init.kaiming_uniform_(linear.weight, a=1)
            nn.init.zeros_(linear.bias)
        nn.init.normal_(self.maskiou.weight, std=0.01)  # a choice, as the FCOS head's
        nn.init.zeros_(self.maskiou.bias)

    def forward(self, x: torch.Tensor, mask_logits: torch.Tensor) -> torch.Tensor:
        """Features (N, C, s, s) and one logit map each (N, 2 s, 2 s) -> (N, classes), linear."""
        mask = F.max_pool2d(mask_logits.sigmoid()[:, None], 2)
        x = torch.cat([x, mask], dim=1)
        for i in range(self.convs):
            x = F.relu(getattr(self, f"maskiou_fcn{i + 1}")(x))
        x = F.relu(self.maskiou_fc1(x.flatten(1)))
        return self.maskiou(F.relu(self.maskiou_fc2(x)))


def of_class(maps: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """The map of each region's class: (N, classes, ...) and (N,) -> (N, ...); a single class is used for all."""
    if maps.shape[1] == 1:
        return maps[:, 0]
    index = classes.reshape(-1, *([1] * (maps.dim() - 1))).expand(-1, 1, *maps.shape[2:])
    return maps.gather(1, index)[:, 0]
