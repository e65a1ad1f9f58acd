"""More tiles per step for more processes: the learning rate grows with the batch, and the steps get fewer. Needs no torch."""

from __future__ import annotations

import math

from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import TrainSettings


def scale_batch(settings: TrainSettings, times: int) -> TrainSettings:
    """Settings with so many times the tiles per step, that train on about as many tiles.

    The learning rate grows in proportion, and the warm-up keeps its number of steps, as far as the run has as many (P. Goyal
    et al., Accurate, Large Minibatch SGD, arXiv 1706.02677, sections 2.1 and 2.2).

    Raises
    ------
    BadSettings
        If the factor is less than 1, or the run is resumed: its run file has the scaled values already.
    """
    if times < 1:
        raise BadSettings(f"The batch can be scaled by 1 or more, got {times}.")
    if settings.resume and times > 1:
        raise BadSettings(
            "The run file of a run that is resumed has the scaled values already. Leave out --scale-batch."
        )
    return settings.model_copy(
        update={
            "batch": settings.batch * times,
            "learning_rate": settings.learning_rate * times,
            "steps": math.ceil(settings.steps / times),
            "evaluate_every": math.ceil(settings.evaluate_every / times),
        }
    )
