"""Fold normalisation into the convolutions before it, for faster inference."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

from napari_centermask.models.nets.norm import FrozenBatchNorm2d

Norm = nn.BatchNorm2d | FrozenBatchNorm2d
Net = TypeVar("Net", bound=nn.Module)


@torch.no_grad()
def folded(model: Net, example: torch.Tensor) -> Net:
    """A copy of a network whose batch norms have become part of the convolutions that feed them.

    Which norm follows which convolution is seen as an example passes through, so that no network needs to say. Norms that depend
    on the input (GroupNorm) stay.

    Parameters
    ----------
    model
        In evaluation mode.
    example
        Input of `model.forward`, (1, C, H, W).
    """
    model = copy.deepcopy(model).eval()
    made: dict[int, tuple[nn.Conv2d, torch.Tensor]] = {}
    pairs: list[tuple[nn.Conv2d, Norm]] = []
    calls: dict[nn.Module, int] = {}

    def watch(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        calls[module] = calls.get(module, 0) + 1
        if isinstance(module, nn.Conv2d):
            made[id(output)] = module, output  # the tensor is kept, so that no other takes its id
        elif isinstance(module, Norm) and (found := made.get(id(inputs[0]))) is not None:
            pairs.append((found[0], module))

    # Not their subclasses: some hold an activation as well.
    kinds = (nn.Conv2d, nn.BatchNorm2d, FrozenBatchNorm2d)
    hooks = [m.register_forward_hook(watch) for m in model.modules() if type(m) in kinds]
    model(example)
    for hook in hooks:
        hook.remove()
    once = [(conv, norm) for conv, norm in pairs if calls[conv] == calls[norm] == 1]
    for conv, norm in once:
        _fold(conv, norm)
    names = {norm: name for name, norm in model.named_modules()}
    for _, norm in once:
        model.set_submodule(names[norm], nn.Identity())
    return model


def _fold(conv: nn.Conv2d, norm: Norm) -> None:
    """y = (conv(x) - mean) * scale + bias, as one convolution."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("Expected a norm with stored statistics.")
    mean = norm.running_mean.double()
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    before = torch.zeros_like(mean) if conv.bias is None else conv.bias.double()
    conv.weight = nn.Parameter((conv.weight.double() * scale.reshape(-1, 1, 1, 1)).to(conv.weight.dtype))
    conv.bias = nn.Parameter(((before - mean) * scale + norm.bias.double()).to(conv.weight.dtype))
