"""How a U-Net is trained: maps of all tiles at once, and layers by their depth."""

import numpy as np
import pytest

from napari_centermask.settings import LossSettings, TrainSettings, UNetSettings
from napari_centermask.training.data.parts import HEADS
from napari_centermask.training.data.tile import TrainTile
from napari_centermask.training.families.unet import PARTS


def test_a_batch_has_the_maps_of_all_tiles():
    masks = np.zeros((1, 32, 32), np.uint8)
    masks[0, 8:20, 8:20] = 1
    tile = TrainTile(
        image=np.zeros((1, 32, 32), np.float32),
        boxes=np.array([[8, 8, 20, 20]], np.float32),
        classes=np.zeros(1, np.int64),
        masks=masks,
        ignore=np.zeros((0, 4), np.float32),
    )
    batch = PARTS.collate([PARTS.target(tile)] * 3)
    assert batch.images.shape == (3, 1, 32, 32)
    assert batch.truths.classes.sum(dim=(1, 2)).tolist() == [144] * 3
    assert PARTS.most_cells(batch.truths) == 0


def test_synthetic_maps_have_the_classes_of_the_form(tmp_path):
    form = UNetSettings(categories=["a", "b"])
    settings = TrainSettings(data=[tmp_path], out=tmp_path / "run", model=form, losses=LossSettings())
    maps = PARTS.synthetic(settings, 2, 64, most_cells=0)
    assert maps.classes.shape == maps.distance.shape == (2, 64, 64)
    assert maps.classes.unique().tolist() == [0, 1, 2]
    assert PARTS.class_weights(settings) is None


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("network.down.0.conv1.weight", 0),
        ("network.down.6.conv1.weight", 4),
        ("network.up.1.block.conv1.weight", 5),
        ("network.head.weight", HEADS),
        ("network.encoder.conv1.weight", 0),
    ],
)
def test_layers_lie_from_the_first_level_to_the_heads(name, depth):
    assert PARTS.depth_of(name) == depth
