"""Attention for U-Nets: gates over positions and channels."""

from __future__ import annotations

from torch import Tensor, nn


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
