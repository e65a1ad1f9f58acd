"""A larger batch for more processes, on as many tiles."""

import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.training.run.scaling import scale_batch


def test_rate_and_batch_grow_together_and_the_number_of_tiles_stays(settings):
    settings = settings.model_copy(update={"learning_rate": 1e-3, "steps": 1000, "evaluate_every": 100})
    scaled = scale_batch(settings, 4)
    assert (scaled.batch, scaled.learning_rate) == (4 * settings.batch, 4e-3)
    assert scaled.batch * scaled.steps == settings.batch * settings.steps
    assert (scaled.evaluate_every, scaled.warmup) == (25, settings.warmup)
    assert scale_batch(settings, 1) == settings


def test_a_resumed_run_is_not_scaled_twice(settings):
    with pytest.raises(BadSettings, match="already"):
        scale_batch(settings.model_copy(update={"resume": True}), 2)
