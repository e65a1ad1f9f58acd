"""Tiles are bent with their masks."""

import numpy as np
from sampled import PLAIN, sampler

from napari_centermask.training.data.augment import boxes_of
from napari_centermask.training.data.tile import TrainTile, bent


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
