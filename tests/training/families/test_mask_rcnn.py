"""How a Mask R-CNN is trained: layers by their depth, and regions that fill a synthetic tile."""

import pytest

from napari_centermask.settings import MaskRCNNSettings, RegionSettings, TrainSettings
from napari_centermask.training.data.parts import HEADS
from napari_centermask.training.families.mask_rcnn import PARTS


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("backbone.body.conv1.weight", 0),
        ("backbone.body.bn1.weight", 0),
        ("backbone.body.layer1.0.conv1.weight", 1),
        ("backbone.body.layer4.2.bn3.bias", 4),
        ("backbone.fpn.inner_blocks.0.0.weight", 5),
        ("rpn.head.cls_logits.weight", HEADS),
        ("roi_heads.mask_predictor.mask_fcn_logits.bias", HEADS),
    ],
)
def test_layers_lie_from_the_stem_to_the_heads(name, depth):
    assert PARTS.depth_of(name) == depth


def test_synthetic_tiles_have_as_many_cells_as_regions_with_a_cell(tmp_path):
    regions = RegionSettings(regions=100, regions_positive=0.5)
    settings = TrainSettings(data=[tmp_path], out=tmp_path / "run", model=MaskRCNNSettings(), regions=regions)
    assert len(PARTS.synthetic(settings, 1, 128, most_cells=0)[0].boxes) == 50
