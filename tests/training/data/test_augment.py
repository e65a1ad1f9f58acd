"""Random changes of the intensities."""

import numpy as np

from napari_centermask.settings import AugmentSettings
from napari_centermask.training.data.augment import add_specks, appearance


def plain_image():
    image = np.full((1, 96, 96), 0.1, np.float32)
    image[0, 20:40, 20:40] = 0.8
    return image


def test_specks_are_few_and_bright_and_leave_the_cells_dim():
    image, most = plain_image(), 0
    before = image.copy()
    for seed in range(30):
        changed = add_specks(image, np.random.default_rng(seed))
        bright = changed[0] > 0.75
        contrast = np.median(changed[0, 20:40, 20:40]) - np.median(changed)
        assert 0.069 <= contrast <= 0.491  # a tenth to seven tenths of 0.7
        assert bright.mean() < 0.04
        most = max(most, bright.sum())
    assert most > 0
    np.testing.assert_array_equal(image, before)


def test_specks_come_as_often_as_asked():
    def is_dim(probability, seed):
        off = {"intensity": 0, "blur": 0, "noise": 0, "gradient": 0, "grey": 0}
        changed = appearance(plain_image(), np.random.default_rng(seed), AugmentSettings(specks=probability, **off))
        return bool(np.median(changed[0, 20:40, 20:40]) < 0.7)

    assert not any(is_dim(0.0, seed) for seed in range(20))
    assert 20 < sum(is_dim(0.5, seed) for seed in range(80)) < 60
