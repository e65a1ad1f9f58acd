"""The steps of a plan that train: pruning, distillation, and INT8 simulated in training. Each returns a new network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

from torch import nn

from napari_centermask.core.errors import BadModel
from napari_centermask.deploy.compress import prune
from napari_centermask.deploy.compress.distil import Distillation
from napari_centermask.deploy.compress.plan import DistilStep, PruneStep, QatStep
from napari_centermask.deploy.compress.rounding import rounded
from napari_centermask.deploy.compress.tune import gradients, train_settings, tune
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.nets.network import Network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import load_model
from napari_centermask.models.store.zoo import find_model
from napari_centermask.training.run.label import label

_RANKED_ON = 8  # batches whose gradients rank channels; a choice


def do_step(
    step: PruneStep | DistilStep | QatStep,
    network: Network,
    card: ModelCard,
    data: Path,
    out: Path,
    say: Callable[[str], None],
) -> Network:
    """Carry out one step; the given network stays as it is.

    Parameters
    ----------
    card
        Of the model of the plan.
    data
        Folder with annotations to train on.
    out
        Folder of the plan.

    Raises
    ------
    BadModel, BadSettings, MissingExtra
        If the step does not fit the network, or needs what is not installed.
    """
    network = copy.deepcopy(network)
    if isinstance(step, PruneStep):
        return _pruned(step, network, card, data, out, say)
    if isinstance(step, QatStep):
        with rounded(network, keep=prune.predictors(network)):  # bfloat16 would round about as coarsely
            tune(network, train_settings(card, data, out, amp="off", **step.training()), say=say)
        return network
    return _distilled(step, network, card, data, out, say)


def load_network(name: str) -> tuple[Network, ModelCard]:
    """A model's network and card.

    Raises
    ------
    BadModel
        If it has no weights.
    """
    files = find_model(name)
    if files.weights is None:
        raise BadModel(f"'{files.name}' has only ONNX graphs. Choose a model with weights for steps that train.")
    return load_model(files.weights)


def _pruned(
    step: PruneStep, network: Network, card: ModelCard, data: Path, out: Path, say: Callable[[str], None]
) -> Network:
    settings = train_settings(card, data, out, **step.training())
    if step.what == "layers":
        network = prune.without_layers(network, step.layers)
        if step.steps:
            tune(network, settings, say=say)
        return network
    if step.sparsity:
        prune.thaw(network)
        tune(network, settings, extra=prune.sparsity(step.sparsity), say=say)
    for number in range(1, step.rounds + 1):
        after_step: Callable[[], None] = _nothing
        if step.what == "channels":
            if step.criterion == "gradient":
                gradients(network, settings.model_copy(update={"steps": _RANKED_ON}))
            # The part that is left shrinks by the same factor in each round.
            prune.prune_channels(
                network, 1 - (1 - step.part) ** (1 / step.rounds), step.criterion, round_to=step.round_to
            )
        else:
            after_step = prune.zero_weights(network, step.part * number / step.rounds, two_of_four=step.what == "2:4")
        say(
            f"Pruned, round {number} of {step.rounds}: {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters"
        )
        if step.steps:
            tune(network, settings, after_step=after_step, say=say)
    return network


def _distilled(
    step: DistilStep, network: Network, card: ModelCard, data: Path, out: Path, say: Callable[[str], None]
) -> Network:
    teachers = [load_network(name)[0] for name in step.teachers or [card.name]]
    student = network if step.student is None else build_model(step.student)
    settings = train_settings(card, data, out, **step.training())
    settings = settings.model_copy(update={"model": student.settings})
    if step.unlabelled:
        settings = settings.model_copy(update={"unlabelled": step.unlabelled})
        for event in label(settings, device="cpu", is_stopped=lambda: False):
            say(event.message)
    losses = Distillation(student, teachers, temperature=step.temperature, weight=step.weight, features=step.features)
    teaches = step.weight > 0
    tune(
        student,
        settings,
        extra=losses if teaches else None,
        modules=losses.adapters if teaches else nn.ModuleList(),
        say=say,
    )
    return student


def _nothing() -> None:
    """After a step without zeros to keep."""
