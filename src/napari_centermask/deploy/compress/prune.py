"""Fewer channels, fewer layers, or weights that are zero.

Channels are removed with all that depends on them, which torch-pruning finds (Fang et al., DepGraph, arXiv 2301.12900), and are
ranked globally: a layer that matters keeps more. Batch-norm scales as a criterion, and the sparsity in training that goes with
them: Liu et al., Network Slimming, arXiv 1708.06519. By gradients: Molchanov et al., arXiv 1906.10771.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from napari_centermask.core.errors import BadSettings, MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.deploy.compress.tune import ExtraLoss
from napari_centermask.models.families import compression_of
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.nets.network import Network
from napari_centermask.models.nets.norm import FrozenBatchNorm2d

Criterion = Literal["batch_norm", "magnitude", "gradient"]
MOST_OF_A_LAYER = 0.8
"""Largest fraction of a layer's channels that a round removes; a choice, so that no layer becomes a bottleneck."""
_SIDE = 128  # pixels of the tile with which dependencies are traced


def prune_channels(network: Network, part: float, criterion: Criterion, *, round_to: int = 16) -> None:
    """Remove a fraction of the channels, in place.

    Parameters
    ----------
    part
        Of all channels that can be removed.
    criterion
        What ranks them; "gradient" needs gradients in the parameters.
    round_to
        Channels of each layer are a multiple of this, which kernels like.

    Raises
    ------
    MissingExtra
        If torch-pruning is not installed.
    BadSettings
        If channels are ranked by batch-norm scales and there are none.
    """
    try:
        import torch_pruning as tp
    except ImportError as error:
        raise MissingExtra(f"Pruning needs torch-pruning: {how_to_install('compress')}") from error
    thaw(network)
    if criterion == "batch_norm" and not any(isinstance(m, nn.BatchNorm2d) for m in network.modules()):
        raise BadSettings(
            "The network has no batch norms to rank channels by. Choose the criterion magnitude or gradient."
        )
    importance = {
        "batch_norm": tp.importance.BNScaleImportance,
        "magnitude": tp.importance.MagnitudeImportance,
        "gradient": tp.importance.TaylorImportance,
    }[criterion]()
    groups = [m.num_groups for m in network.modules() if isinstance(m, nn.GroupNorm)]
    traced = _Traced(network)
    needs = [p.requires_grad for p in network.parameters()]
    for parameter in network.parameters():  # dependencies are found along gradients
        parameter.requires_grad_(True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the factors of the levels, which have no channels
        pruner = tp.pruner.BasePruner(
            traced,
            torch.rand(2, network.settings.in_channels, _SIDE, _SIDE),
            importance=importance,
            global_pruning=True,
            pruning_ratio=part,
            max_pruning_ratio=MOST_OF_A_LAYER,
            ignored_layers=predictors(network),
            round_to=max([round_to, *groups]),
        )
        pruner.step()
    for parameter, needed in zip(network.parameters(), needs, strict=True):
        parameter.requires_grad_(needed)
    compression_of(network.settings).note_width(network)


class _Traced(nn.Module):
    """The network along one way that touches all of its layers, without choices that depend on the data."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> list[Tensor]:
        outputs: list[Tensor] = compression_of(self.network.settings).traced(self.network, image)
        return outputs


def predictors(network: Network) -> list[nn.Module]:
    """Layers whose outputs are fixed: those that predict."""
    layers: list[nn.Module] = compression_of(network.settings).predictors(network)
    return layers


def thaw(module: nn.Module) -> None:
    """Replace frozen batch norms by ordinary ones, which torch-pruning knows, with the same values."""
    for name, child in module.named_children():
        if isinstance(child, FrozenBatchNorm2d):
            norm = nn.BatchNorm2d(child.weight.numel(), eps=child.eps)
            norm.load_state_dict(child.state_dict(), strict=False)
            setattr(module, name, norm.eval())
        else:
            thaw(child)


def sparsity(factor: float) -> ExtraLoss:
    """A loss that pulls the scales of batch norms to zero, so that channels without use show."""

    def loss(network: Network, images: Tensor, truths: Any) -> dict[str, Tensor]:
        scales = [
            m.weight.abs().sum() for m in network.modules() if isinstance(m, nn.BatchNorm2d) and m.weight.requires_grad
        ]
        return {"loss_sparsity": factor * torch.stack(scales).sum()} if scales else {}

    return loss


def without_layers(network: Network, changes: dict[str, int]) -> Network:
    """The network with fewer layers, such as {"mask_convs": 1}: what is left keeps its weights.

    Raises
    ------
    BadSettings
        If the network has no such number, or it would grow.
    """
    for name, number in changes.items():
        now = getattr(network.settings, name, None)
        if not isinstance(now, int) or name not in ("head_convs", "mask_convs", "maskiou_convs", "depth"):
            raise BadSettings(
                f"A {network.settings.family} has no number of layers '{name}'. Choose head_convs, mask_convs, "
                "maskiou_convs or, of a U-Net, depth."
            )
        if not 0 < number < now:
            raise BadSettings(f"'{name}' is {now}; fewer layers are 1 to {now - 1}, not {number}.")
    smaller = build_model(type(network.settings).model_validate(network.settings.model_dump() | changes))
    state, old = smaller.state_dict(), network.state_dict()
    smaller.load_state_dict(state | {k: v for k, v in old.items() if k in state and state[k].shape == v.shape})
    return smaller.eval()


def zero_weights(network: Network, part: float, *, two_of_four: bool = False) -> Callable[[], None]:
    """Set the smallest weights of each layer to zero, in place; the network's speed and its file stay as they are.

    Parameters
    ----------
    part
        Fraction of the weights.
    two_of_four
        Instead the smaller two of every four weights along the input: what NVIDIA's sparse tensor cores need.

    Returns
    -------
    Callable
        Sets them to zero again, after each step of a training.
    """
    masks: list[tuple[Tensor, Tensor]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            size = module.weight.detach().abs()
            masks.append((module.weight, _two_of_four(size) if two_of_four else _largest(size, 1 - part)))

    @torch.no_grad()
    def apply() -> None:
        for weight, mask in masks:
            weight.mul_(mask)

    apply()
    return apply


def _largest(size: Tensor, part: float) -> Tensor:
    kept = max(1, round(part * size.numel()))
    return (size >= size.flatten().topk(kept).values[-1]).to(size.dtype)


def _two_of_four(size: Tensor) -> Tensor:
    """A mask of the larger two of each four along the inputs; layers whose inputs four does not divide stay whole."""
    if size.shape[1] % 4:
        return torch.ones_like(size)
    fours = size.transpose(1, -1).reshape(-1, 4)
    mask = torch.zeros_like(fours).scatter_(1, fours.topk(2, dim=1).indices, 1.0)
    return mask.reshape(size.transpose(1, -1).shape).transpose(1, -1).contiguous()
