"""A short training of a network that is already in memory, such as a pruned one, whose form no run file describes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from napari_centermask.core.progress import silent
from napari_centermask.models.nets.network import Network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.inputs import follow_card
from napari_centermask.training.data.loader import batches
from napari_centermask.training.data.parts import TrainBatch, parts_of
from napari_centermask.training.run.device import choose_precision, tune_malloc
from napari_centermask.training.run.optimise import learning_rate, make_optimiser, set_rate

_REPORT_EVERY = 20  # steps; a choice


class ExtraLoss(Protocol):
    """A loss beside those of the family, such as of distillation."""

    def __call__(self, network: Network, images: Tensor, truths: Any) -> dict[str, Tensor]:
        """Scalars of a batch."""


def train_settings(card: ModelCard, data: Path, out: Path, **given: Any) -> TrainSettings:
    """The settings of a short training on the data of a plan, with the inputs of a model."""
    values = {"data": [data], "out": out, "start": card.name, "diameter": card.diameter, "warmup": 20, "ema": 0.0}
    settings = TrainSettings.model_validate(values | {"learning_rate": 3e-4} | given)
    return follow_card(settings.model_copy(update={"model": card.model}), card)


def tune(
    network: Network,
    settings: TrainSettings,
    *,
    extra: ExtraLoss | None = None,
    modules: nn.Module | None = None,
    after_step: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = silent,
) -> None:
    """Train a network in place, on the CPU, for `settings.steps`; it is in evaluation mode afterwards.

    It computes in bfloat16 where `settings.amp` and the processor say so, as any other training does.

    Parameters
    ----------
    extra
        Losses that are added to those of the family.
    modules
        More parameters to train, such as adapters of a distillation.
    after_step
        Called after each change of the weights.
    say
        Called with how far it is.
    """
    tune_malloc()
    torch.manual_seed(settings.seed)
    parts = parts_of(network.settings)
    optimiser = make_optimiser(network, settings)
    if modules is not None and (more := list(modules.parameters())):
        optimiser.add_param_group({"params": more, "weight_decay": 0.0, "factor": 1.0})
    precision = choose_precision(settings.amp, torch.device("cpu"))
    network.train()
    try:
        for step, batch in enumerate(_tiles(settings)):
            images = batch.images.to(memory_format=torch.channels_last)
            with torch.autocast("cpu", precision, enabled=precision is not None):
                losses = parts.losses(network, images, batch.truths, settings, class_weights=None)
                if extra is not None:
                    losses = losses | extra(network, images, batch.truths)
            set_rate(optimiser, learning_rate(settings, step, step / settings.steps))
            optimiser.zero_grad(set_to_none=True)
            total = torch.stack([loss.float() for loss in losses.values()]).sum()
            total.backward()
            nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], settings.clip)
            if torch.isfinite(total):
                optimiser.step()
            after_step()
            if (step + 1) % _REPORT_EVERY == 0 or step + 1 == settings.steps:
                say(f"Training step {step + 1} of {settings.steps}, loss {float(total.detach()):.3f}")
    finally:
        network.eval()


def _tiles(settings: TrainSettings) -> Iterator[TrainBatch]:
    loader = iter(batches(settings))
    return (next(loader) for _ in range(settings.steps))


def gradients(network: Network, settings: TrainSettings) -> None:
    """Leave the gradients of `settings.steps` batches in the parameters; for a ranking of channels."""
    parts = parts_of(network.settings)
    network.zero_grad(set_to_none=True)
    for batch in _tiles(settings):
        losses = parts.losses(network, batch.images, batch.truths, settings, class_weights=None)
        torch.stack([loss.float() for loss in losses.values()]).sum().backward()
