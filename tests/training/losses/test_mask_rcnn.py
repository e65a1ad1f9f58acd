"""The losses of a Mask R-CNN: torchvision's numbers, and no loss where nobody said that there is no cell."""

import pytest
import torch
from torchvision.models.detection import MaskRCNN as TorchvisionMaskRCNN
from torchvision.models.detection.rpn import RegionProposalNetwork

from napari_centermask.models.nets.mask_rcnn import MaskRCNN
from napari_centermask.settings import MaskRCNNSettings, RegionSettings
from napari_centermask.training.data.parts import Truth
from napari_centermask.training.losses.mask_rcnn import IGNORED, choose, match, region_losses
from napari_centermask.training.losses.weighed import counts_of

SMALL = {"resnet": "R-18", "pyramid_channels": 16, "box_fc": 16, "mask_head_convs": 1, "mask_head_channels": 16}
ALL = RegionSettings(anchors=10_000, anchors_positive=1.0, regions=10_000, regions_positive=1.0, proposals=300)


def truth(boxes, size=96, **more):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    masks = torch.zeros(len(boxes), size, size, dtype=torch.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.long().tolist(), strict=True):
        mask[y0:y1, x0:x1] = 1
    return Truth(boxes, torch.zeros(len(boxes), dtype=torch.int64), masks, **more)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MaskRCNN(MaskRCNNSettings(**SMALL, resnet_norm="FrozenBN", anchor_sizes=[8, 16, 32, 64, 128])).train()


TWO = [[10, 10, 34, 40], [50, 40, 90, 80]]


def test_losses_over_all_boxes_are_torchvisions(model):
    """Without a choice by chance, the same boxes have the same losses."""
    images = torch.rand(2, 3, 96, 96)
    truths = [truth(TWO), truth(TWO[:1])]
    ours = region_losses(model, images, truths, ALL)
    theirs = TorchvisionMaskRCNN(
        model.backbone,
        num_classes=2,
        min_size=96,
        max_size=96,
        image_mean=[0.0] * 3,
        image_std=[1.0] * 3,
        rpn_anchor_generator=model.rpn.anchor_generator,
    )
    theirs.rpn, theirs.roi_heads = model.rpn, model.roi_heads
    for sampler in (model.rpn.fg_bg_sampler, model.roi_heads.fg_bg_sampler):
        sampler.batch_size_per_image, sampler.positive_fraction = 10_000, 1.0
    assert isinstance(model.rpn, RegionProposalNetwork)
    wanted = theirs([*images], [{"boxes": t.boxes, "labels": t.classes + 1, "masks": t.masks} for t in truths])
    names = {
        "loss_objectness": "loss_objectness",
        "loss_rpn_box": "loss_rpn_box_reg",
        "loss_category": "loss_classifier",
    }
    names |= {"loss_box": "loss_box_reg", "loss_mask": "loss_mask"}
    for name, other in names.items():
        assert ours[name].item() == pytest.approx(wanted[other].item(), rel=1e-4), name


def test_each_loss_has_its_factor_and_its_count(model):
    images, truths = torch.rand(1, 3, 96, 96), [truth(TWO, seed=3)]
    plain = region_losses(model, images, truths, RegionSettings())
    fields = {"objectness": "loss_objectness", "rpn_box": "loss_rpn_box", "classification": "loss_category"}
    fields |= {"box": "loss_box", "mask": "loss_mask"}
    for field, name in fields.items():
        more = region_losses(model, images, truths, RegionSettings(**{field: 3.0}))
        assert {n for n in plain if more[n].item() != pytest.approx(plain[n].item())} == {name}
        assert more[name].item() == pytest.approx(3 * plain[name].item(), rel=1e-4)
    counts = counts_of(plain)
    assert counts["loss_objectness"] == 256
    assert 0 < counts["loss_mask"] <= 128


def test_weights_of_categories_count_in_regions_with_a_cell(model):
    images, truths = torch.rand(1, 3, 96, 96), [truth(TWO, seed=3)]
    plain = region_losses(model, images, truths, RegionSettings())
    heavy = region_losses(model, images, truths, RegionSettings(), class_weights=torch.tensor([5.0]))
    assert heavy["loss_category"] > plain["loss_category"]


def test_tiles_without_cells_have_losses_too(model):
    losses = region_losses(model, torch.rand(2, 3, 96, 96), [truth([]), truth([])], RegionSettings())
    sum(losses.values()).backward()
    assert losses["loss_mask"] == losses["loss_box"] == losses["loss_rpn_box"] == 0
    assert losses["loss_objectness"] > 0
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_background_that_nobody_reviewed_is_left_out():
    boxes = torch.tensor([[0.0, 0, 8, 8], [60, 60, 70, 70], [40, 2, 50, 12], [10, 10, 34, 40]])
    unreviewed = torch.zeros(96, 96, dtype=torch.uint8)
    unreviewed[55:, 55:] = 1
    known = truth(TWO[:1], ignore=torch.tensor([[36.0, 0, 60, 20]]), unreviewed=unreviewed)
    matched = match(boxes, known, low=0.3, high=0.7)
    assert matched.tolist() == [IGNORED - 1, IGNORED, IGNORED, 0]


def test_a_cell_that_no_box_overlaps_much_keeps_its_best_box():
    boxes = torch.tensor([[10.0, 10, 20, 20], [70, 70, 90, 90]])
    assert match(boxes, truth(TWO[:1]), low=0.3, high=0.7).tolist() == [IGNORED - 1] * 2
    assert match(boxes, truth(TWO[:1]), low=0.3, high=0.7, keep_best=True).tolist() == [0, IGNORED - 1]


def test_a_choice_keeps_to_its_numbers_and_follows_its_seed():
    matched = torch.cat([torch.arange(10), torch.full((50,), IGNORED), torch.full((90,), IGNORED - 1)])
    one, again, other = (choose(matched, 20, 0.25, seed=seed) for seed in (1, 1, 2))
    assert len(one.index) == 20
    assert len(one.matched) == 5
    assert (matched[one.index[:5]] == one.matched).all()
    assert (matched[one.index[5:]] < IGNORED).all()
    assert one.index.tolist() == again.index.tolist() != other.index.tolist()
