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


def _in_colour(settings, changes, paint):
    samples = load_split(settings.data[0], "train")
    for sample in samples:
        object.__setattr__(sample, "image", paint(np.repeat(sample.image, 3, axis=0)))
    three = settings.model.model_copy(update={"in_channels": 3})
    own = {"model": three, "augment": PLAIN.model_copy(update=changes)}
    return TileSampler([samples], settings.model_copy(update=own))


def test_cells_are_pasted_in_colour_where_asked(settings):
    def most(**changes):
        tiles = _in_colour(settings, {"copy_paste": 1.0} | changes, lambda image: image)
        return max(int(tiles[n].masks.sum(axis=0).max(initial=0)) for n in range(8))

    assert most() == 1
    assert most(paste_colour=1.0) >= 2


def test_in_transmitted_light_overlapping_cells_absorb_twice(settings):
    def dark(image):
        return np.where(image > 100, 110, 220).astype(np.uint8)

    tiles = _in_colour(settings, {"paste_colour": 1.0, "paste_light": (0.9, 1.0)}, dark)
    darker = []
    for number in range(16):
        tile = tiles[number]
        depth = tile.masks.sum(axis=0)
        if (depth >= 2).sum() > 40:
            darker.append(np.median(tile.image[0][depth == 1]) - np.median(tile.image[0][depth >= 2]))
        assert tile.image.min() > -0.5
        assert np.median(tile.image[:, depth == 0]) > 0.8
    assert darker
    assert max(darker) >= 0


def test_dim_cells_lie_under_bright_ones(settings):
    def light(limits):
        samples = load_split(settings.data[0], "train")
        augment = PLAIN.model_copy(update={"copy_paste": 1.0, "paste_light": limits})
        tiles = TileSampler([samples], settings.model_copy(update={"augment": augment}))
        found = [tiles[n] for n in range(20)]
        return [
            float(np.median(tile.image[0][mask.astype(bool) & (tile.masks.sum(axis=0) == 1)]))
            for tile in found
            for mask in tile.masks
            if (mask.astype(bool) & (tile.masks.sum(axis=0) == 1)).sum() > 30
        ]

    assert min(light((0.1, 0.2))) < 0.35 < min(light((0.9, 1.0)))
