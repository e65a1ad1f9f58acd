"""Training sees images as the pipeline does, and names those that do not fit."""

from dataclasses import replace

import numpy as np

from napari_centermask.settings import PreprocessSettings
from napari_centermask.training.data.inputs import prepared
from napari_centermask.training.data.loader import load_split


def test_training_without_new_settings_draws_the_same_tiles_as_before(folder, settings):
    raw = load_split(folder, "train")
    for before, after in zip(raw, prepared(raw, settings), strict=True):
        assert after.image is before.image
        np.testing.assert_array_equal((after.lo, after.hi), (before.lo, before.hi))


def test_specks_take_no_range_in_training_where_they_are_ignored(settings, folder):
    samples = load_split(folder, "train")
    ignoring = settings.model_copy(update={"preprocess": PreprocessSettings(ignore_specks=True)})
    for number, sample in enumerate(samples):
        image = sample.image // 10  # cells of 20
        image[0, :7, :12] = 255
        samples[number] = replace(sample, image=image)
    assert {float(s.hi[0]) for s in prepared(samples, settings)} == {255.0}
    assert {float(s.hi[0]) for s in prepared(samples, ignoring)} == {20.0}
