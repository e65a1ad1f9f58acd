import shutil
from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations, BadSettings
from napari_centermask.settings import AugmentSettings
from napari_centermask.training.data.augment import boxes_of
from napari_centermask.training.data.facts import data_hash, data_hashes
from napari_centermask.training.data.loader import batches, load_split
from napari_centermask.training.data.sampler import TileSampler, rarity
from napari_centermask.training.data.tile import TrainTile, bent

PLAIN = AugmentSettings(intensity=0, blur=0, noise=0, gradient=0, grey=0, copy_paste=0)


def sampler(settings, augment):
    settings = settings.model_copy(update={"augment": augment})
    return TileSampler([load_split(f, "train") for f in settings.data], settings)


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


def test_a_tile_depends_on_its_number_alone(settings):
    first, second = sampler(settings, AugmentSettings())[5], sampler(settings, AugmentSettings())[5]
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.masks, second.masks)


def test_resuming_continues_the_sequence(settings):
    whole = [batch.images for batch, _ in zip(batches(settings), range(3), strict=False)]
    rest = next(iter(batches(settings, start_tile=2 * settings.batch)))
    assert rest.images.equal(whole[2])


def test_the_hash_changes_with_a_pixel(folder):
    before = data_hash(folder, "train")
    path = folder / "images" / "train_1.png"
    path.write_bytes(path.read_bytes() + b"\0")
    assert data_hash(folder, "train") != before


def test_folders_of_one_name_keep_a_hash_each(folder, tmp_path):
    other = tmp_path / "other" / folder.name
    shutil.copytree(folder, other)
    (other / "annotations_train.json").write_bytes((folder / "annotations_val.json").read_bytes())
    hashes = data_hashes([folder, other])
    assert list(hashes) == [folder.name, f"{folder.name} 2"]
    assert hashes[folder.name] == {split: data_hash(folder, split) for split in ("train", "val")}
    assert hashes[f"{folder.name} 2"]["train"] == data_hash(other, "train") != hashes[folder.name]["train"]


def test_a_missing_split_says_what_is_expected(folder):
    with pytest.raises(BadAnnotations, match=r"annotations_test\.json"):
        load_split(folder, "test")


def test_channels_that_do_not_fit_are_named(settings):
    two = settings.model.model_copy(update={"in_channels": 2})
    for sample in (samples := load_split(settings.data[0], "train")):
        object.__setattr__(sample, "image", np.repeat(sample.image, 3, axis=0))
    with pytest.raises(BadSettings, match="has 3"):
        TileSampler([samples], settings.model_copy(update={"model": two}))


def test_an_elastic_deformation_keeps_image_and_masks_in_register(settings):
    bent = sampler(settings, PLAIN.model_copy(update={"elastic": 6.0}))
    plain = sampler(settings, PLAIN)
    assert any(not np.array_equal(bent[i].image, plain[i].image) for i in range(12))
    for index in range(12):
        tile = bent[index]
        cells, bright = tile.masks.any(axis=0), tile.image[0] > 0.5
        for x0, y0, x1, y1 in tile.ignore.astype(int):
            for plane in (bright, cells):
                plane[max(0, y0 - 3) : y1 + 3, max(0, x0 - 3) : x1 + 3] = False
        if cells.sum() > 500:
            assert (bright & cells).sum() / (bright | cells).sum() > 0.88
        assert (
            np.array_equal(boxes_of(tile.masks), tile.boxes) or np.abs(tile.boxes - boxes_of(tile.masks)).max() <= 1.6
        )


def test_a_tile_without_cells_can_be_bent_too():
    none = np.zeros((0, 32, 32), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    image = np.random.default_rng(0).random((1, 32, 32), np.float32)
    tile = bent(TrainTile(image, none[1], none[2], none[0], none[1]), 4.0, np.random.default_rng(1))
    assert tile.masks.shape == (0, 32, 32)
    assert not np.array_equal(tile.image, image)


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
