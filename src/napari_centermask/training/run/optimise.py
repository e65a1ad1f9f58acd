"""Optimiser, learning rate schedule, frozen layers and lower rates for the first layers."""

from __future__ import annotations

import math
from typing import Any

import torch

from napari_centermask.models.nets.network import Network
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.parts import HEADS, parts_of

LONGEST_WARMUP = 0.1
"""Largest fraction of a run to spend on warm-up; chosen."""
PLATEAU = 2
"""Evaluations without a better AP after which the schedule "plateau" halves the rate; chosen."""
MOMENTUM = 0.9
"""Of SGD: FCOS (arXiv 1904.01355, section 4) and detectron2."""
LEAST = 1e-3
"""Fraction of the rate below which no schedule goes; a choice, as a rate of 0 would waste the last steps."""
FROZEN = {"none": -1, "stem": 0, "early": 2, "backbone": 4}
"""Depth up to which layers are frozen: the stem; also stages 2 and 3; the whole backbone."""


def depth_of(model: Network, name: str) -> int:
    """Depth of a parameter of one of our networks; see `TrainingParts.depth_of`."""
    return parts_of(model.settings).depth_of(name)


def freeze(model: Network, up_to: str) -> int:
    """Freeze the first layers; return the number of trainable parameters."""
    for name, parameter in model.named_parameters():
        if depth_of(model, name) <= FROZEN[up_to]:
            parameter.requires_grad_(False)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def make_optimiser(model: Network, settings: TrainSettings) -> torch.optim.Optimizer:
    """SGD or AdamW; biases and norms are not decayed; with `layer_decay`, each stage has a lower learning rate than the next.

    Source of the lower rates for the first layers: J. Howard and S. Ruder, ULMFiT, arXiv 1801.06146, section 3.2.
    """
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        depth = depth_of(model, name) if settings.layer_decay < 1 else HEADS
        decays = parameter.dim() > 1
        group = groups.setdefault(
            (depth, not decays),
            {
                "params": [],
                "weight_decay": settings.weight_decay if decays else 0.0,
                "factor": settings.layer_decay ** (HEADS - depth),
            },
        )
        group["params"].append(parameter)
    ordered = [groups[key] for key in sorted(groups)]
    if settings.optimiser == "sgd":
        return torch.optim.SGD(ordered, lr=settings.learning_rate, momentum=MOMENTUM)
    return torch.optim.AdamW(ordered, lr=settings.learning_rate)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group to its fraction of `rate`."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


def learning_rate(settings: TrainSettings, step: int, done: float, *, drops: int = 0) -> float:
    """Learning rate at a step when a fraction `done` in [0, 1] of the run is over.

    Parameters
    ----------
    drops
        How often the schedule "plateau" has lowered it.
    """
    done = min(done, 1.0)
    if settings.schedule == "one-cycle":
        return settings.learning_rate * _one_cycle(done)
    if settings.schedule == "cosine":
        factor = _cosine(done)
    elif settings.schedule == "plateau":
        factor = 0.5**drops
    else:  # by ten at 2/3 and 8/9, the proportions of detectron2's schedules
        factor = 0.1 ** ((done >= 2 / 3) + (done >= 8 / 9))
    # A run that is limited by minutes must not spend all of them on warm-up.
    warm = max((step + 1) / max(settings.warmup, 1), done / LONGEST_WARMUP)
    return settings.learning_rate * max(factor, LEAST) * min(1.0, warm)


def _one_cycle(done: float) -> float:
    """From 1/25 up to 1 in the first 30 %, then down to 1e-5; L. Smith and N. Topin, arXiv 1708.07120, as in PyTorch."""
    if done < 0.3:
        return 1 + (1 / 25 - 1) * _cosine(done / 0.3)
    return 1e-5 + (1 - 1e-5) * _cosine((done - 0.3) / 0.7)


def _cosine(part: float) -> float:
    """Half a cosine: 1 at 0, 0 at 1."""
    return 0.5 * (1 + math.cos(math.pi * part))
