"""What fits where memory ran out, found by trying; and what is said of it."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import torch

from napari_centermask.training.data.truth import MapTruth, Truth
from napari_centermask.training.losses.batch_losses import REGIONS
from napari_centermask.training.run.device import capacity, give_back
from napari_centermask.training.run.failed import TrainingFailed
from napari_centermask.training.run.shortage import (
    RELIEF,
    is_of_host,
    is_out_of_memory,
    smaller_steps,
    unchecked_remedy,
)
from napari_centermask.training.run.trainer import Trainer


def release(trainer: Trainer) -> None:
    """Give back what a failed step held; not to be called while its error is handled, which holds the tensors."""
    trainer.optimiser.zero_grad(set_to_none=True)
    gc.collect()  # an error that was kept in a variable of its own frame goes only so
    give_back(trainer.device)


def first_that_fits(trainer: Trainer) -> tuple[tuple[int, int] | None, bool]:
    """The first smaller step that fits, (batch, tile), None where nothing does; and whether that is sure.

    It is not where the smallest step failed without a word of memory: it might work in a new process.
    """
    is_enough: bool | None = False
    for batch, tile in smaller_steps(trainer.batch, trainer.settings.tile):
        is_enough = fits(trainer, batch, tile)
        if is_enough:
            return (batch, tile), True
    return None, is_enough is not None


def fits(trainer: Trainer, batch: int, tile: int) -> bool | None:
    """Whether the memory suffices for a step, found by computing the losses and gradients of made-up tiles.

    None where an error does not tell: some libraries do not name what they lacked.
    Weights, statistics of the norms, optimiser, average, progress and random numbers stay as they were.
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
    truths = _made_up(trainer, batch, tile)
    for _ in range(2):  # the second finds the gradients of the first in memory, as every step but the first does
        trainer.gradients(trainer.losses(images, truths))
    del room


def _moments(trainer: Trainer) -> list[torch.Tensor]:
    """What the optimiser will keep from its first step on, empty once it has it."""
    if trainer.optimiser.state:
        return []
    learning = [p for group in trainer.optimiser.param_groups for p in group["params"]]
    return [torch.empty_like(p) for p in learning * (2 if trainer.settings.optimiser == "adamw" else 1)]


def _made_up(trainer: Trainer, batch: int, tile: int) -> list[Truth] | MapTruth:
    """Cells at random places, as dense as in the fullest tile of the run so far."""
    settings = trainer.settings
    if settings.model.family == "unet":
        shape = (batch, tile, tile)
        classes = torch.randint(settings.model.n_classes, shape, dtype=torch.uint8)
        return MapTruth(classes, classes.clamp(max=1), torch.rand(shape), torch.rand(shape) * 2 - 1)
    count = max(REGIONS // 4, round(trainer.most_cells * (tile / settings.tile) ** 2))
    side = min(settings.diameter, tile / 2)
    return [_cells(count, side, tile) for _ in range(batch)]


def _cells(count: int, side: float, tile: int) -> Truth:
    corners = torch.rand(count, 2) * (tile - side)
    return Truth(
        boxes=torch.cat([corners, corners + side], dim=1),
        classes=torch.zeros(count, dtype=torch.int64),
        masks=torch.ones(count, tile, tile, dtype=torch.uint8),
        ignore=torch.zeros(0, 4),
        unreviewed=torch.zeros(tile, tile, dtype=torch.uint8),
    )


def step_failed(trainer: Trainer, *, of_host: bool) -> TrainingFailed:
    """What to say, and to propose, when steps need more memory than there is.

    Parameters
    ----------
    of_host
        Whether the memory of the machine does not suffice, which the trial of a step on a GPU cannot tell.
    """
    settings, batch, tile = trainer.settings, trainer.batch, trainer.settings.tile
    device = torch.device("cpu") if of_host else trainer.device
    start = f"The memory does not suffice for {batch} tiles of {tile} pixels per step. {capacity(device)};"
    found, is_sure = None, False
    if trainer.world.size == 1 and device.type == trainer.device.type:
        found, is_sure = first_that_fits(trainer)
    if not is_sure:
        remedy = unchecked_remedy(batch, tile, fewest=trainer.world.size)
        end = f"{_words(remedy)} may fit, which was not checked." if remedy else f"there is no smaller step. {RELIEF}"
    elif found is not None:
        remedy = {"batch": found[0], "tile": found[1]}
        end = f"{_words(remedy)} fit."
    else:
        smallest = dict(zip(("batch", "tile"), [(batch, tile), *smaller_steps(batch, tile)][-1], strict=True))
        relief, remedy = _relief(device)
        end = f"nothing fits, down to {_words(smallest)}. {relief}"
    if remedy and device.type == "cpu" and settings.workers > 1:  # they take of the same memory
        remedy["workers"] = 1
    return TrainingFailed(f"{start} {end}", reason="memory", remedy=remedy)


def stage_failed(stage: str, error: BaseException, out: Path, device: torch.device) -> TrainingFailed:
    """What to say when anything but a step needs more memory than there is: fewer or smaller tiles would not help."""
    device = torch.device("cpu") if is_of_host(error) else device
    relief, remedy = _relief(device)
    kept = f"What was saved is kept in {out}."
    message = f"The memory does not suffice for {stage}. {capacity(device)}. {kept} {relief}"
    return TrainingFailed(message, reason="memory", remedy=remedy)


def _words(remedy: dict[str, int]) -> str:
    return " and ".join(f"{name} {value}" for name, value in remedy.items())


def _relief(device: torch.device) -> tuple[str, dict[str, Any]]:
    """What helps where smaller steps do not, in words and as settings."""
    if device.type == "cpu":
        return RELIEF, {}
    return f"{RELIEF} Or train without the GPU, which takes longer: --device cpu.", {"device": "cpu"}
