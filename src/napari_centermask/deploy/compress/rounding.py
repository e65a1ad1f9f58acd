"""Simulated INT8 in training, so that the weights settle where rounding does not hurt.

Jacob et al., Quantization and Training of Neural Networks, arXiv 1712.05877: values are rounded in the forward pass, and
gradients pass as if they were not. Weights have a scale for each output channel, activations the range seen so far.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

_MOMENTUM = 0.05  # of the running range of activations; a choice


class _RoundedWeight(nn.Module):
    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, weight: Tensor) -> Tensor:
        others = [d for d in range(weight.dim()) if d != self.axis]
        scale = (weight.detach().abs().amax(dim=others) / 127).clamp(min=1e-8)
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, self.axis, -127, 127)


class _RoundedInput:
    """A hook that rounds what a layer is given to 256 steps of its running range."""

    def __init__(self) -> None:
        self.low = self.high = 0.0

    def __call__(self, module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        x = given[0]
        if x.numel() == 0:
            return given
        low, high = min(0.0, float(x.detach().min())), max(0.0, float(x.detach().max()))
        if self.high == self.low:
            self.low, self.high = low, high
        elif module.training:
            self.low += _MOMENTUM * (low - self.low)
            self.high += _MOMENTUM * (high - self.high)
        scale = max((self.high - self.low) / 255, 1e-8)
        zero = round(-self.low / scale)
        return (torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 255), *given[1:])


@contextmanager
def rounded(network: nn.Module, *, keep: Collection[nn.Module] = ()) -> Iterator[None]:
    """Simulate INT8 in all layers of a network but those in `keep`; afterwards it is as before, with its new weights."""
    layers = [
        m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and m not in keep
    ]
    hooks = []
    for layer in layers:
        axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        parametrize.register_parametrization(layer, "weight", _RoundedWeight(axis))
        hooks.append(layer.register_forward_pre_hook(_RoundedInput()))
    try:
        yield
    finally:
        for layer, hook in zip(layers, hooks, strict=True):
            hook.remove()
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
