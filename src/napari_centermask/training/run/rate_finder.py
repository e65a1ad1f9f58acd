"""Find a learning rate from the data: raise it step by step and see where the loss falls fastest.

Source: L. Smith, Cyclical Learning Rates, arXiv 1506.01186, section 3.3.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from napari_centermask.core.errors import TrainingFailed
from napari_centermask.training.run.trainer import Trainer

LOWEST, HIGHEST = 1e-6, 1e-1
"""Rates to try: a choice around AdamW's usual 1e-4 to 1e-3; 0.1 ruins a model (docs/benchmarks.md, "The gate")."""
SMOOTH = 0.9
"""Decay of the mean of the losses; a choice, the last ten steps."""
DIVERGED = 4
"""Times the least loss at which the search ends; as in fastai's finder."""
STEPS = 60
"""A choice: each rate is a fifth higher than the one before, and on two cores the search takes half a minute."""


@dataclass(frozen=True)
class RateCurve:
    """Smoothed losses at rising rates, and the suggested rate."""

    rates: np.ndarray
    losses: np.ndarray

    @property
    def best(self) -> float:
        """A third of the rate at which the loss is lowest, where it is still falling, far enough from where it diverges."""
        return float(self.rates[int(np.argmin(self.losses))] / 3)


def find_rate(trainer: Trainer, batches: Iterable[tuple[torch.Tensor, object]], *, steps: int = STEPS) -> RateCurve:
    """Try rates from 1e-6 to 0.1; the trainer is left unchanged.

    Parameters
    ----------
    batches
        (images, truths) of each step; as many as `steps`.

    Raises
    ------
    TrainingFailed
        If a loss is not finite at the first, lowest rate.
    """
    kept = copy.deepcopy((trainer.model.state_dict(), trainer.optimiser.state_dict(), vars(trainer.progress)))
    average = copy.deepcopy((trainer.average.state, trainer.average.updates))
    rates = np.geomspace(LOWEST, HIGHEST, steps)
    losses: list[float] = []
    mean = 0.0
    try:
        for number, (rate, (images, truths)) in enumerate(zip(rates, batches, strict=False), start=1):
            try:
                loss = _loss(trainer, images, truths, float(rate))
            except TrainingFailed:
                if not losses:  # no rate would help
                    raise
                break
            mean = SMOOTH * mean + (1 - SMOOTH) * loss
            losses.append(mean / (1 - SMOOTH**number))
            if losses[-1] > DIVERGED * min(losses):
                break
    finally:
        trainer.model.load_state_dict(kept[0])
        trainer.optimiser.load_state_dict(kept[1])
        vars(trainer.progress).update(kept[2])
        trainer.average.state, trainer.average.updates = average
    return RateCurve(rates[: len(losses)], np.array(losses))


def _loss(trainer: Trainer, images: torch.Tensor, truths: object, rate: float) -> float:
    """The sum of the losses of one step at a rate."""
    values = trainer.step(images, truths, rate=rate)
    return sum(v for k, v in values.items() if k.startswith("loss_"))
