import shutil
from dataclasses import replace

import numpy as np
import pytest
from sampled import PLAIN, sampler

from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import AugmentSettings
from napari_centermask.training.data.augment import boxes_of
from napari_centermask.training.data.loader import load_split
from napari_centermask.training.data.sampler import TileSampler, rarity


@pytest.mark.parametrize("rotate", [0.0, 45.0])
def test_image_and_masks_stay_in_register(settings, rotate):
    tiles = sampler(settings, PLAIN.model_copy(update={"rotate": rotate}))
    seen = 0
    for index in range(12):
        tile = tiles[index]
        assert (tile.image.shape, tile.image.dtype) == ((1, 128, 128), np.float32)
        cells = tile.masks.any(axis=0)
        bright = tile.image[0] > 0.5
        for x0, y0, x1, y1 in tile.ignore.astype(int):
            bright[max(0, y0 - 2) : y1 + 2, max(0, x0 - 2) : x1 + 2] = False
            cells[max(0, y0 - 2) : y1 + 2, max(0, x0 - 2) : x1 + 2] = False
        if cells.sum() > 500:
            seen += 1
            agree = (bright & cells).sum() / (bright | cells).sum()
            assert agree > 0.9
    assert seen >= 6


def test_boxes_follow_the_masks(settings):
    for index in range(8):
        tile = sampler(settings, PLAIN)[index]
        assert np.abs(tile.boxes - boxes_of(tile.masks)).max(initial=0.0) <= 1.6


def test_a_tile_depends_on_its_number_alone(settings):
    first, second = sampler(settings, AugmentSettings())[5], sampler(settings, AugmentSettings())[5]
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.masks, second.masks)


def test_channels_that_do_not_fit_are_named(settings):
    two = settings.model.model_copy(update={"in_channels": 2})
    for sample in (samples := load_split(settings.data[0], "train")):
        object.__setattr__(sample, "image", np.repeat(sample.image, 3, axis=0))
    with pytest.raises(BadSettings, match="has 3"):
        TileSampler([samples], settings.model_copy(update={"model": two}))


def test_replayed_folders_get_their_part(settings, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "known")
    both = settings.model_copy(update={"replay": [tmp_path / "known"], "replay_part": 0.3})
    tiles = TileSampler([load_split(f, "train") for f in [folder, tmp_path / "known"]], both)
    assert tiles._folder_weights == pytest.approx([0.7, 0.3])


def test_rare_categories_are_drawn_more_often(settings):
    two = settings.model_copy(
        update={"model": settings.model.model_copy(update={"categories": ["a", "b"]}), "augment": PLAIN}
    )
    samples = load_split(settings.data[0], "train")
    for sample in samples:
        sample.instances.categories = {1: "a", 2: "b"}
    rare = samples[0].cells[0]
    samples[0].cells[0] = replace(rare, category=2)

    def part(strength):
        tiles = TileSampler([samples], two.model_copy(update={"oversample": strength}))
        drawn = np.concatenate([tiles[i].classes for i in range(60)])
        return (drawn == 1).mean()

    assert part(1.0) > 1.5 * part(0.0)
    assert rarity([[np.array([0] * 9 + [1])]], 2, 1.0) == pytest.approx([10 / 18, 5.0])
