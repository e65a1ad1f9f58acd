"""Tiles in which nothing is to be found, and tiles of two layers of cells."""

import numpy as np
import pytest
from sampled import PLAIN, sampler

from napari_centermask.models.idle_settings import idle_in_training
from napari_centermask.settings import AugmentSettings
from napari_centermask.training.data.negatives import empty_field
from napari_centermask.training.data.overlay import laid_over


def with_cells(tiles):
    return next(tile for tile in (tiles[n] for n in range(20)) if len(tile.masks) > 1)


@pytest.mark.parametrize("name", ["empty", "defocus"])
def test_such_fields_have_no_cells_and_the_whole_range(settings, name):
    tiles = sampler(settings, PLAIN.model_copy(update={name: 1.0}))
    for number in range(6):
        tile = tiles[number]
        assert len(tile.boxes) == len(tile.classes) == len(tile.masks) == len(tile.ignore) == 0
        assert tile.unreviewed is None
        assert tile.image.dtype == np.float32
        assert np.percentile(tile.image, 99.8) - np.percentile(tile.image, 1) == pytest.approx(1, abs=0.1)


def test_an_empty_field_has_the_noise_of_the_background_and_no_trace_of_the_cells(settings):
    tile = with_cells(sampler(settings, PLAIN))
    covered = tile.masks.any(axis=0)
    levels = [float(image[0][covered].mean() - image[0][~covered].mean()) for image in (tile.image,)]
    empty = [empty_field(tile, np.random.default_rng(seed)).image[0] for seed in range(8)]
    traces = [abs(float(image[covered].mean() - image[~covered].mean())) for image in empty]
    assert levels[0] > 0.5
    assert np.median(traces) < 0.1


def test_unreviewed_background_stays_unreviewed_where_the_tile_stays(settings, half):
    tiles = sampler(settings, PLAIN.model_copy(update={"mixup": 1.0}))
    assert any(tiles[n].unreviewed is not None for n in range(10))


def test_two_layers_have_the_cells_and_the_light_of_both(settings):
    tiles = sampler(settings, PLAIN)
    one = with_cells(tiles)
    other = next(t for t in (tiles[n] for n in range(30)) if len(t.masks) and not np.array_equal(t.image, one.image))
    both = laid_over(one, other, 0.5)
    assert len(both.masks) == len(one.masks) + len(other.masks) == len(both.boxes) == len(both.classes)
    np.testing.assert_array_equal(both.masks[len(one.masks) :], other.masks)
    added = both.image[0] - one.image[0]
    assert added[other.masks.any(axis=0)].mean() == pytest.approx(0.5, abs=0.1)
    bright = one.__class__(1 - one.image, *[getattr(one, n) for n in ("boxes", "classes", "masks", "ignore")])
    assert laid_over(bright, other, 0.5) is bright


def test_tiles_are_as_before_where_nothing_is_on(settings):
    """Numbers of the tiles' generator are not used up by what is off."""
    off = sampler(settings, AugmentSettings())[3]
    ranged = sampler(settings, AugmentSettings(photons=(1, 2), defocus_blur=(1, 2)))[3]
    np.testing.assert_array_equal(off.image, ranged.image)


def test_ranges_without_their_probability_and_colours_without_channels_are_idle(settings):
    idle = idle_in_training(settings)
    for name in ("dim_light", "photons", "stain_strength", "clahe_limit", "mixup_light", "defocus_blur"):
        assert f"augment.{name}" in idle
    assert {"augment.stain", "augment.paste_colour"} <= set(idle)
    assert "augment.paste_light" not in idle  # copy_paste is on
    on = settings.model_copy(update={"augment": AugmentSettings(photon_noise=0.2, copy_paste=0)})
    assert "augment.photons" not in idle_in_training(on)
    assert "augment.paste_light" in idle_in_training(on)
