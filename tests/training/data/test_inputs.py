"""Training sees images as the pipeline does, and names those that do not fit."""

import numpy as np

from napari_centermask.training.data.inputs import prepared
from napari_centermask.training.data.loader import load_split


def test_training_without_new_settings_draws_the_same_tiles_as_before(folder, settings):
    raw = load_split(folder, "train")
    for before, after in zip(raw, prepared(raw, settings), strict=True):
        assert after.image is before.image
        np.testing.assert_array_equal((after.lo, after.hi), (before.lo, before.hi))
