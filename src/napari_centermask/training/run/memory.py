"""Find by trial which smaller steps fit after memory ran out, and report it."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import torch

from napari_centermask.core.errors import TrainingFailed
from napari_centermask.training.run.device import capacity, give_back
from napari_centermask.training.run.shortage import (
    RELIEF,
    is_of_host,
    is_out_of_memory,
    smaller_steps,
    unchecked_remedy,
)
from napari_centermask.training.run.trainer import Trainer


def release(trainer: Trainer) -> None:
    """Free the memory of a failed step; not to be called while its error is being handled, which keeps the tensors."""
    trainer.optimiser.zero_grad(set_to_none=True)
    gc.collect()  # collects errors that are kept in a variable of their own frame
    give_back(trainer.device)


def first_that_fits(trainer: Trainer) -> tuple[tuple[int, int] | None, bool]:
    """The first smaller step that fits, (batch, tile), or None; and whether that is certain.

    It is not certain if the smallest step failed with an error that does not mention memory: it might work in a new process.
    """
    is_enough: bool | None = False
    for batch, tile in smaller_steps(trainer.batch, trainer.settings.tile):
        is_enough = fits(trainer, batch, tile)
        if is_enough:
            return (batch, tile), True
    return None, is_enough is not None


def fits(trainer: Trainer, batch: int, tile: int) -> bool | None:
    """Whether there is enough memory for a step, found by computing losses and gradients of synthetic tiles.

    None if an error leaves it open: some libraries do not say what was missing.
    Weights, norm statistics, optimiser, average, progress and random state are unchanged.
    """
    statistics = {name: buffer.clone() for name, buffer in trainer.model.named_buffers()}
    try:
        with torch.random.fork_rng([trainer.device] if trainer.device.type == "cuda" else []):
            _try_step(trainer, batch, tile)
        is_enough = True
    except (RuntimeError, MemoryError) as error:
        is_enough = False if is_out_of_memory(error) else None
    with torch.no_grad():
        for name, buffer in trainer.model.named_buffers():
            buffer.copy_(statistics[name])
    release(trainer)
    return is_enough


def _try_step(trainer: Trainer, batch: int, tile: int) -> None:
    room = _moments(trainer)
    images = torch.rand(batch, trainer.settings.model.in_channels, tile, tile)
    truths = trainer.parts.synthetic(trainer.settings, batch, tile, most_cells=trainer.most_cells)
    for _ in range(2):  # the second finds the gradients of the first in memory, as every step but the first does
        trainer.gradients(trainer.losses(images, truths))
    del room


def _moments(trainer: Trainer) -> list[torch.Tensor]:
    """Placeholders for the optimiser's state before its first step; empty afterwards."""
    if trainer.optimiser.state:
        return []
    learning = [p for group in trainer.optimiser.param_groups for p in group["params"]]
    return [torch.empty_like(p) for p in learning * (2 if trainer.settings.optimiser == "adamw" else 1)]


def step_failed(trainer: Trainer, *, of_host: bool) -> TrainingFailed:
    """The error, with a remedy, when steps need more memory than there is.

    Parameters
    ----------
    of_host
        Whether it is the memory of the machine that ran out, which a trial step on a GPU does not show.
    """
    settings, batch, tile = trainer.settings, trainer.batch, trainer.settings.tile
    device = torch.device("cpu") if of_host else trainer.device
    start = f"Out of memory with {batch} tiles of {tile} pixels per step. {capacity(device)};"
    fit, is_sure = None, False
    if trainer.world.size == 1 and device.type == trainer.device.type:
        fit, is_sure = first_that_fits(trainer)
    if not is_sure:
        remedy = unchecked_remedy(batch, tile, fewest=trainer.world.size)
        end = f"{_words(remedy)} may fit (not checked)." if remedy else f"the step cannot be made smaller. {RELIEF}"
    elif fit is not None:
        remedy = {"batch": fit[0], "tile": fit[1]}
        end = f"{_words(remedy)} fit."
    else:
        smallest = dict(zip(("batch", "tile"), [(batch, tile), *smaller_steps(batch, tile)][-1], strict=True))
        relief, remedy = _relief(device)
        end = f"even {_words(smallest)} do not fit. {relief}"
    if remedy and device.type == "cpu" and settings.workers > 1:  # they use the same memory
        remedy["workers"] = 1
    return TrainingFailed(f"{start} {end}", reason="memory", remedy=remedy)


def stage_failed(stage: str, error: BaseException, out: Path, device: torch.device) -> TrainingFailed:
    """The error when something other than a step runs out of memory: fewer or smaller tiles would not help."""
    device = torch.device("cpu") if is_of_host(error) else device
    relief, remedy = _relief(device)
    kept = f"Saved files are kept in {out}."
    message = f"Out of memory while {stage}. {capacity(device)}. {kept} {relief}"
    return TrainingFailed(message, reason="memory", remedy=remedy)


def _words(remedy: dict[str, int]) -> str:
    return " and ".join(f"{name} {value}" for name, value in remedy.items())


def _relief(device: torch.device) -> tuple[str, dict[str, Any]]:
    """What helps when smaller steps do not, in words and as settings."""
    if device.type == "cpu":
        return RELIEF, {}
    return f"{RELIEF} Or train without the GPU, which takes longer: --device cpu.", {"device": "cpu"}
