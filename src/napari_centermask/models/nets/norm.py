"""Normalisation layers by name, as the settings spell them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 32  # GroupNorm groups of the reference (goldens README, item 9)


class FrozenBatchNorm2d(nn.Module):
    """Batch norm whose statistics and affine values are constants.

    All four are buffers, so no optimiser ever sees them; checkpoint keys equal those of a batch norm.

    Parameters
    ----------
    channels
        Channels of the input.
    eps
        Added to the variance; 1e-5 in the reference.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.running_mean: Tensor
        self.running_var: Tensor
        self.eps = eps
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, H, W) with the stored statistics."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)

    def extra_repr(self) -> str:
        """Shown by `print`."""
        return f"{self.weight.numel()}, eps={self.eps}"


def make_norm(kind: str, channels: int, *, groups: int = GROUPS) -> nn.Module:
    """A normalisation layer for (N, channels, H, W).

    Parameters
    ----------
    kind
        "FrozenBN" (reference backbones), "BN" (training from scratch), "GN" or "none".
    groups
        Of "GN".

    Raises
    ------
    ValueError
        If the kind is unknown, or "GN" is asked for channels that `groups` does not divide.
    """
    if kind == "FrozenBN":
        return FrozenBatchNorm2d(channels)
    if kind == "BN":
        return nn.BatchNorm2d(channels)
    if kind == "GN":
        return nn.GroupNorm(groups, channels)
    if kind == "none":
        return nn.Identity()
    raise ValueError(f"Expected a norm of FrozenBN, BN, GN or none, got {kind!r}.")
