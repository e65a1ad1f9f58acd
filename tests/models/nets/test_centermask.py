"""Networks whose pyramid begins at stride 4."""

import pytest
import torch

from napari_centermask.core.errors import BadModel
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.store.card import ModelCard, check_shapes
from napari_centermask.settings import ModelSettings


def card_of(form):
    return ModelCard(name="a", licence="CC0-1.0", model=form, diameter=20.0)


@pytest.mark.parametrize("backbone", ["V-19-slim-eSE", "V-39-eSE", "R-50", "MobileNetV2"])
@pytest.mark.parametrize(
    "change",
    [
        {"first_level": 2},
        {"roi_size": 10},
        {"roi_size": 6, "first_level": 2},
        {"box_quality": "none"},
        {"head_channels": 64},
    ],
)
def test_their_shapes_are_those_that_the_card_implies(backbone, change):
    form = ModelSettings(backbone=backbone, **change)
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in CenterMask(form).state_dict().items()}
    check_shapes(card_of(form), shapes, where="here")
    with pytest.raises(BadModel, match="does not describe its weights"):
        check_shapes(card_of(ModelSettings(backbone=backbone)), shapes, where="here")


@pytest.mark.parametrize("backbone", ["V-19-slim-dw-eSE", "MobileNetV2"])
def test_they_answer_at_four_times_as_many_places_and_pool_small_cells_from_p2(backbone):
    form = ModelSettings(backbone=backbone, fpn_channels=32, first_level=2, top_levels=1, roi_size=10)
    model = CenterMask(form).eval()
    with torch.inference_mode():
        pyramid, logits, ltrb, centerness = model.dense(torch.rand(1, 3, 64, 96))
        rois = torch.tensor([[0.0, 10, 10, 30, 30], [0, 0, 0, 96, 64]])
        masks, quality = model.roi(pyramid, rois, torch.zeros(2, dtype=torch.int64), 64.0 * 96.0)
    assert [tuple(p.shape[2:]) for p in pyramid] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert logits.shape[1] == ltrb.shape[1] == centerness.shape[1] == 16 * 24 + 8 * 12 + 4 * 6 + 2 * 3 + 1 * 2
    assert masks.shape == (2, 20, 20)
    assert quality.shape == (2,)


@pytest.mark.parametrize("backbone", ["V-19-slim-dw-eSE", "V-19-slim-eSE", "R-50", "MobileNetV2"])
def test_a_stem_of_stride_2_halves_the_strides_of_all_levels_and_keeps_the_weights(backbone):
    form = ModelSettings(backbone=backbone, fpn_channels=32, first_level=2, top_levels=1, stem_stride=2)
    model = CenterMask(form).eval()
    with torch.inference_mode():
        pyramid, logits, *_ = model.dense(torch.rand(1, 3, 64, 96))
    assert model.strides == (2, 4, 8, 16, 32)
    assert [tuple(p.shape[2:]) for p in pyramid] == [(32, 48), (16, 24), (8, 12), (4, 6)]
    assert logits.shape[1] == sum((64 // s) * (96 // s) for s in model.strides)
    usual = CenterMask(form.model_copy(update={"stem_stride": 4}))
    assert usual.strides == (4, 8, 16, 32, 64)
    usual.load_state_dict(model.state_dict())


@pytest.mark.parametrize("rule", ["ratio", "area"])
def test_a_stem_of_stride_2_pools_cells_from_where_they_are(rule):
    form = ModelSettings(backbone="V-19-slim-dw-eSE", fpn_channels=32, first_level=2, top_levels=0, stem_stride=2)
    model = CenterMask(form.model_copy(update={"roi_levels": rule, "maskiou": False}))
    sides = [256 // stride for stride in model.strides]
    pyramid = [((torch.arange(side) + 0.5) * 256 / side).repeat(1, 1, side, 1) for side in sides]  # x in pixels
    model.roi_heads.mask_head = torch.nn.Identity()
    boxes = torch.tensor([[0.0, 20, 100, 40, 120], [0, 64, 32, 192, 160]])
    seen, _ = model.roi(pyramid, boxes, torch.zeros(2, dtype=torch.int64), 256.0 * 256.0)
    torch.testing.assert_close(seen.mean(dim=(1, 2)), torch.tensor([30.0, 128.0]))


def test_a_network_that_does_not_rate_boxes_takes_them_all_for_certain():
    form = ModelSettings(backbone="V-19-slim-dw-eSE", fpn_channels=32, top_levels=0, box_quality="none")
    model = CenterMask(form).eval()
    assert not any("ctrness" in name for name in model.state_dict())
    with torch.inference_mode():
        _, logits, _, centerness = model.dense(torch.rand(1, 3, 64, 64))
    assert centerness.shape == logits.shape[:2]
    assert bool((centerness.sigmoid() == 1).all())


def test_towers_have_their_own_width_and_that_of_the_pyramid_by_default():
    narrow = {"backbone": "V-19-slim-dw-eSE", "fpn_channels": 64, "head_convs": 2}
    with torch.device("meta"):
        same, own, usual = (
            CenterMask(ModelSettings(**narrow, head_channels=width)).state_dict() for width in (64, 32, None)
        )
    shapes = [{name: tuple(value.shape) for name, value in state.items()} for state in (same, own, usual)]
    assert shapes[0] == shapes[2]
    changed = {name for name, shape in shapes[1].items() if shape != shapes[2][name]}
    assert changed
    assert all("fcos_head" in name for name in changed)
    head = "proposal_generator.fcos_head."
    assert [shapes[1][f"{head}bbox_tower.{i}.weight"][:2] for i in (0, 3)] == [(32, 64), (32, 32)]
    assert shapes[1][f"{head}ctrness.weight"] == (1, 32, 3, 3)
