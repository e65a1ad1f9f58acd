"""How a CenterMask is trained: a truth for each tile, and layers by their depth."""

import numpy as np
import pytest

from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.parts import HEADS
from napari_centermask.training.data.tile import TrainTile
from napari_centermask.training.families.centermask import PARTS


def tile(n):
    return TrainTile(
        image=np.zeros((1, 8, 8), np.float32),
        boxes=np.zeros((n, 4), np.float32),
        classes=np.zeros(n, np.int64),
        masks=np.zeros((n, 8, 8), np.uint8),
        ignore=np.zeros((0, 4), np.float32),
    )


def test_a_batch_has_a_truth_for_each_tile_and_knows_the_fullest():
    batch = PARTS.collate([tile(2), tile(5)])
    assert batch.images.shape == (2, 1, 8, 8)
    assert [len(t.boxes) for t in batch.truths] == [2, 5]
    assert batch.truths[0].unreviewed is None
    assert PARTS.most_cells(batch.truths) == 5


def test_synthetic_cells_are_as_dense_as_those_of_the_run(tmp_path):
    settings = TrainSettings(data=[tmp_path], out=tmp_path / "run", tile=256, diameter=40.0)
    (small,) = PARTS.synthetic(settings, 1, 128, most_cells=4000)
    assert len(small.boxes) == 1000
    assert small.masks.shape == (1000, 128, 128)
    assert (small.boxes[:, 2:] <= 128.001).all()


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("backbone.bottom_up.stem.stem_1/conv.weight", 0),
        ("backbone.bottom_up.stage2.OSA2_1.x", 1),
        ("backbone.bottom_up.res5.0.conv1.weight", 4),
        ("backbone.fpn_lateral3.weight", 5),
        ("roi_heads.mask_head.predictor.bias", HEADS),
    ],
)
def test_layers_lie_from_the_stem_to_the_heads(name, depth):
    assert PARTS.depth_of(name) == depth
