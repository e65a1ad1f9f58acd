"""The plain U-Net, of any depth and width.

Source: O. Ronneberger, P. Fischer and T. Brox, U-Net, arXiv 1505.04597. Width 64, depth 4, no norm and `padding="valid"`
are the paper's network; ours pads, so that the maps are as large as the tile.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from napari_centermask.models.nets.norm import make_norm
from napari_centermask.settings import UNetSettings

_GROUPS = 8  # of GroupNorm, at most: narrow levels have few channels
_MOST_SUPERVISED = 5  # coarser levels with a loss of their own: training tiles are multiples of 32


class DoubleConv(nn.Module):
    """Two 3 x 3 convolutions, each followed by its norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, *, norm: str, padding: int) -> None:
        super().__init__()
        groups = math.gcd(_GROUPS, outputs)
        has_bias = norm == "none"
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=padding, bias=has_bias)
        self.norm1 = make_norm(norm, outputs, groups=groups)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=padding, bias=has_bias)
        self.norm2 = make_norm(norm, outputs, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W), 4 pixels less on each axis without padding."""
        x = self.norm1(self.conv1(x)).relu()
        return self.norm2(self.conv2(x)).relu()


class SCSE(nn.Module):
    """Concurrent spatial and channel squeeze and excitation.

    The channel gate pools over the whole tile, so the same cell may get a different result in another tile. It has half of the
    channels inside, as in the paper.

    Source: A. Roy, N. Navab and C. Wachinger, arXiv 1803.02579, section 2; the two are added.
    """

    def __init__(self, channels: int, *, reduction: int = 2) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        self.channel = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, inner, 1), nn.ReLU(), nn.Conv2d(inner, channels, 1)
        )
        self.space = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Gate (B, C, H, W)."""
        return x * self.channel(x).sigmoid() + x * self.space(x).sigmoid()


class AttentionGate(nn.Module):
    """Gate a skip connection by the coarser level.

    Source: O. Oktay et al., Attention U-Net, arXiv 1804.03999, section 2.2. The gating signal comes here from the
    upsampled coarser level, so that both have one grid.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.skip = nn.Conv2d(channels, inner, 1, bias=False)
        self.gate = nn.Conv2d(channels, inner, 1)
        self.weight = nn.Conv2d(inner, 1, 1)

    def forward(self, skip: Tensor, gate: Tensor) -> Tensor:
        """Weight the positions of `skip` (B, C, H, W); `gate` has the same shape."""
        return skip * self.weight((self.skip(skip) + self.gate(gate)).relu()).sigmoid()


class Up(nn.Module):
    """One level of the expanding path: twice the size, half the channels, joined with the skip."""

    def __init__(self, channels: int, *, norm: str, padding: int, attention: str) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)
        self.gate = AttentionGate(channels) if attention == "gate" else None
        self.block = DoubleConv(2 * channels, channels, norm=norm, padding=padding)
        self.scse = SCSE(channels) if attention == "scse" else None

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Join the coarser maps with the skip of this level."""
        x = self.up(x)
        if x.shape[2:] != skip.shape[2:]:
            x, skip = _cropped(x, skip)
        if self.gate is not None:
            skip = self.gate(skip, x)
        x = self.block(torch.cat([skip, x], dim=1))
        return x if self.scse is None else self.scse(x)


class PlainUNet(nn.Module):
    """The network up to raw maps.

    Parameters
    ----------
    settings
        Its form.
    padding
        "same", or "valid" as in the paper: the maps are then smaller than the image.
    """

    def __init__(self, settings: UNetSettings, *, padding: str = "same") -> None:
        super().__init__()
        kept: dict[str, Any] = {"norm": settings.norm, "padding": 1 if padding == "same" else 0}
        widths = [settings.width * 2**level for level in range(settings.depth + 1)]
        inputs = [settings.in_channels, *widths]
        self.down = nn.ModuleList(DoubleConv(a, b, **kept) for a, b in zip(inputs, widths, strict=False))
        # A last row or column that has no partner is kept, as long as the maps are padded to it.
        self.pool = nn.MaxPool2d(2, ceil_mode=padding == "same")
        self.dropout = nn.Dropout2d(settings.dropout)  # at the end of the contracting path: the paper's section 3.1
        self.up = nn.ModuleList(Up(w, attention=settings.attention, **kept) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(widths[0], len(settings.map_names), 1)
        coarser = reversed(widths[1:-1][:_MOST_SUPERVISED]) if settings.deep_supervision else ()
        self.side = nn.ModuleList(nn.Conv2d(w, len(settings.map_names), 1) for w in coarser)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, maps, H, W) raw."""
        return self.head(self._levels(x)[-1])

    def outputs(self, x: Tensor) -> list[Tensor]:
        """The raw maps, and those of the coarser levels with deep supervision, finest first."""
        levels = self._levels(x)
        side = [head(level) for head, level in zip(self.side, levels[-1 - len(self.side) : -1], strict=True)]
        return [self.head(levels[-1]), *reversed(side)]

    def _levels(self, x: Tensor) -> list[Tensor]:
        """The maps of the expanding path, coarsest first."""
        skips = [self.down[0](x)]
        for block in self.down[1:]:
            skips.append(block(self.pool(skips[-1])))
        x, levels = self.dropout(skips.pop()), []
        for up in self.up:
            x = up(x, skips.pop())
            levels.append(x)
        return levels


def _cropped(x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
    """Both at the size of the smaller one: padded maps lose a last row or column, skips without padding their border."""
    height, width = (min(a, b) for a, b in zip(x.shape[2:], skip.shape[2:], strict=True))
    top, left = (skip.shape[2] - height) // 2, (skip.shape[3] - width) // 2
    return x[..., :height, :width], skip[..., top : top + height, left : left + width]


def _initialise(module: nn.Module) -> None:
    """Unit variance behind each ReLU: the paper's section 3."""
    if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
