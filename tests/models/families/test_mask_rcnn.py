"""A new Mask R-CNN: its anchors are made for the cells, and others are refused before they are trained."""

import pytest
from pydantic import ValidationError

from napari_centermask.core.errors import BadSettings
from napari_centermask.models.families import check_new, new_families, new_network
from napari_centermask.models.families.mask_rcnn import MASK_RCNN
from napari_centermask.settings import ANCHOR_STRIDES, MaskRCNNSettings, RegionSettings, TrainSettings


def settings_of(sizes, **changes):
    return TrainSettings(data=["a"], out="run", model=MaskRCNNSettings(anchor_sizes=sizes), **changes)


def test_anchors_follow_the_diameter_and_are_the_defaults_at_forty_pixels():
    made = new_network("maskrcnn", channels=1, categories=("cell",), diameter=40)
    assert made == MaskRCNNSettings(in_channels=1)
    assert new_network("maskrcnn", channels=1, categories=("cell",), diameter=20).anchor_sizes == [8, 16, 32, 64, 128]


@pytest.mark.parametrize("sizes", [[16, 32, 64], [8, 16, 32, 64, 128, 256]])
def test_there_is_one_size_for_each_level(sizes):
    levels = f"expected 5 sizes, one for each level .* every 4, 8, 16, 32 and 64 pixels, got {len(sizes)}"
    assert len(ANCHOR_STRIDES) == 5
    with pytest.raises(ValidationError, match=levels):
        MaskRCNNSettings(anchor_sizes=sizes)


def test_sizes_increase_from_level_to_level():
    with pytest.raises(
        BadSettings, match=r"increase .* got 256 128 64 32 16. Suitable for cells of 40 pixels: 16 32 64"
    ):
        check_new(settings_of([256, 128, 64, 32, 16]))


def test_anchors_of_which_none_could_hold_a_typical_cell_are_refused_with_some_that_can():
    far = [128, 256, 512, 1024, 2048]
    with pytest.raises(
        BadSettings, match=r"at most 0.10 \(IoU\); below 0.3 .* Suitable for cells of 40 pixels: 16 32 64"
    ):
        check_new(settings_of(far))
    check_new(settings_of(far, diameter=100))
    check_new(settings_of(far, regions=RegionSettings(anchor_iou=(0.05, 0.7))))


def test_a_run_that_goes_on_and_a_start_model_keep_their_anchors():
    far = [128, 256, 512, 1024, 2048]
    check_new(settings_of(far, resume=True))
    check_new(settings_of(far, start="mine"))


def test_networks_of_detectron2_are_not_made_here():
    assert list(new_families()) == ["centermask", "unet", "maskrcnn"]
    with pytest.raises(BadSettings, match="Choose centermask or unet or maskrcnn"):
        new_network("detectron2", channels=1, categories=("cell",), diameter=40)


def test_every_field_of_the_form_is_shown_but_what_the_data_decide():
    shown = {name for fields in MASK_RCNN.new_fields.values() for name in fields}
    assert shown == set(MaskRCNNSettings.model_fields) - {"family", "in_channels", "categories"}
