"""Cells are pasted whole, and into images with as many channels alone."""

import numpy as np
from sampled import PLAIN, sampler

from napari_centermask.training.data.loader import load_split
from napari_centermask.training.data.sampler import TileSampler


def test_copied_cells_overlap_and_stay_whole(settings):
    tiles = sampler(settings, PLAIN.model_copy(update={"copy_paste": 1.0}))
    depth = [int(tile.masks.sum(axis=0).max(initial=0)) for tile in (tiles[i] for i in range(10))]
    assert max(depth) >= 2


def test_cells_are_copied_between_images_with_as_many_channels_alone(settings):
    samples = load_split(settings.data[0], "train")
    object.__setattr__(samples[0], "image", np.repeat(samples[0].image, 3, axis=0))
    three = settings.model.model_copy(update={"in_channels": 3})
    augment = PLAIN.model_copy(update={"copy_paste": 1.0})
    tiles = TileSampler([samples], settings.model_copy(update={"model": three, "augment": augment}))
    assert {len(tiles[i].image) for i in range(20)} == {3}
