"""Feature pyramid: P3 (or P2) to P5 from the backbone, P6 and P7 on top.

Source: Lin et al., arXiv 1612.03144; P6 and P7 as in FCOS, arXiv 1904.01355.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from napari_centermask.models.nets.network import Backbone


class TopBlock(nn.Module):
    """P6 and P7 by strided 3x3 convolutions."""

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        for level in range(6, 6 + levels):
            self.add_module(f"p{level}", nn.Conv2d(channels, channels, 3, stride=2, padding=1))

    def forward(self, p5: torch.Tensor) -> list[torch.Tensor]:
        outputs = []
        x = p5
        for i in range(self.levels):
            x = getattr(self, f"p{6 + i}")(x if i == 0 else F.relu(x))
            outputs.append(x)
        return outputs


class FPN(nn.Module):
    """Backbone and pyramid.

    Parameters
    ----------
    bottom_up
        Gives a dict of maps at strides 4, 8, 16 and 32, or half of them.
    channels
        Width of every level.
    first_level
        The finest level, 2 or 3: one location every 4 or 8 pixels of a backbone whose first map has stride 4.
    top_levels
        0, 1 or 2 levels above P5.
    """

    def __init__(self, bottom_up: Backbone, channels: int, *, first_level: int = 3, top_levels: int = 2) -> None:
        super().__init__()
        self.bottom_up = bottom_up
        self.maps = dict(zip((2, 3, 4, 5), bottom_up.out_channels, strict=True))
        self.levels = range(first_level, 6)
        for level in self.levels:
            name = self.maps[level]
            self.add_module(f"fpn_lateral{level}", nn.Conv2d(bottom_up.out_channels[name], channels, 1))
            self.add_module(f"fpn_output{level}", nn.Conv2d(channels, channels, 3, padding=1))
        self.top_block = TopBlock(channels, top_levels) if top_levels else None
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Conv2d) and not name.startswith("bottom_up"):
                nn.init.kaiming_uniform_(layer.weight, a=1)
                nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, C, H, W), H and W multiples of 32 -> [P3, P4, P5, ...] or [P2, P3, ...], each (B, channels, h, w)."""
        maps = self.bottom_up(x)
        inner: torch.Tensor | None = None
        outputs: list[torch.Tensor] = []
        for level in reversed(self.levels):
            lateral = getattr(self, f"fpn_lateral{level}")(maps[self.maps[level]])
            inner = lateral if inner is None else lateral + F.interpolate(inner, scale_factor=2.0, mode="nearest")
            outputs.insert(0, getattr(self, f"fpn_output{level}")(inner))
        if self.top_block is not None:
            outputs += self.top_block(outputs[-1])
        return outputs
