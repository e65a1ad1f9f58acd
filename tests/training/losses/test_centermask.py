"""Targets of FCOS and the losses of networks that begin at stride 4 or 8."""

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.settings import InstanceLossSettings
from napari_centermask.training.data.parts import Truth
from napari_centermask.training.losses.batch_losses import batch_losses
from napari_centermask.training.losses.centermask import (
    REFERENCE,
    area_weights,
    assign,
    boundary_losses,
    box_losses,
    dice_losses,
    fcos_losses,
    level_table,
    mask_losses,
    quality_focal_loss,
)

SIDE = 128


def random_boxes(n, seed):
    rng = np.random.default_rng(seed)
    sides = np.exp(rng.uniform(np.log(6), np.log(110), (n, 2)))
    start = rng.uniform(-10, SIDE - 10, (n, 2))
    return np.concatenate([start, start + sides], axis=1).astype(np.float32)


def assigned_by_hand(x, y, stride, limits, boxes):
    """Index of the smallest box for one location, None for background: FCOS section 3.2 read line by line."""
    fitting = []
    for k, (x0, y0, x1, y1) in enumerate(boxes):
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        near = max(x0, cx - 1.5 * stride) < x < min(x1, cx + 1.5 * stride)
        near = near and max(y0, cy - 1.5 * stride) < y < min(y1, cy + 1.5 * stride)
        if near and limits[0] <= max(x - x0, y - y0, x1 - x, y1 - y) <= limits[1]:
            fitting.append(((x1 - x0) * (y1 - y0), k))
    return min(fitting)[1] if fitting else None


@pytest.mark.parametrize(
    ("strides", "limits"),
    [
        ((4, 8, 16, 32), [(0, 32), (32, 64), (64, 128), (128, 1e8)]),
        ((8, 16, 32, 64, 128), [(0, 64), (64, 128), (128, 256), (256, 512), (512, 1e8)]),
    ],
)
def test_each_location_gets_the_smallest_box_that_suits_its_level(strides, limits):
    boxes = random_boxes(25, seed=strides[0])
    classes = torch.arange(25) % 3
    table = level_table([(SIDE // s, SIDE // s) for s in strides], strides)
    assigned = assign(torch.from_numpy(boxes), classes, table, 3)
    k = 0
    for stride, limit in zip(strides, limits, strict=True):
        for row in range(SIDE // stride):
            for column in range(SIDE // stride):
                x, y = column * stride + stride // 2, row * stride + stride // 2
                expected = assigned_by_hand(x, y, stride, limit, boxes)
                if expected is None:
                    assert assigned.labels[k] == 3
                else:
                    assert (assigned.labels[k], assigned.matched[k]) == (classes[expected], expected)
                    x0, y0, x1, y1 = boxes[expected]
                    wanted = np.array([x - x0, y - y0, x1 - x, y1 - y]) / stride
                    np.testing.assert_allclose(assigned.ltrb[k], wanted, rtol=1e-5, atol=1e-5)
                k += 1
    assert k == len(assigned.labels)
    assert (assigned.labels != 3).sum() > 50


def test_a_cell_of_20_pixels_has_as_many_locations_at_stride_4_as_one_of_40_at_stride_8():
    small, large = torch.tensor([[40.0, 40.0, 60.0, 60.0]]), torch.tensor([[80.0, 80.0, 120.0, 120.0]])
    at_4 = assign(small, torch.zeros(1, dtype=torch.int64), level_table([(32, 32)], (4,)), 1)
    at_8 = assign(large, torch.zeros(1, dtype=torch.int64), level_table([(32, 32)], (8,)), 1)
    assert (at_4.labels == 0).sum() == (at_8.labels == 0).sum() == 9
    assert torch.equal(at_4.ltrb, at_8.ltrb)


def test_the_quality_of_a_box_may_be_its_iou_with_the_cell():
    table = level_table([(8, 8)], (4,))
    box = torch.tensor([[4.0, 4.0, 24.0, 28.0]])
    assignment = assign(box, torch.zeros(1, dtype=torch.int64), table, 1)
    places = (assignment.labels == 0).nonzero()[:, 0]
    ltrb = torch.ones(1, 64, 4)
    corners = torch.cat([table[0] - 4, table[0] + 4], dim=1)  # a box of 8 pixels about each location
    expected = box_iou(corners[places], box)[:, 0]
    at = torch.full((1, 64), -9.0)
    at[0, places] = torch.logit(expected)
    best = fcos_losses(torch.zeros(1, 64, 1), ltrb, at, [assignment], quality="iou")["loss_fcos_ctr"]
    entropy = -(expected * expected.log() + (1 - expected) * (1 - expected).log()).mean()
    assert len(places) > 3
    torch.testing.assert_close(best, entropy)  # the least that the cross-entropy can be
    usual = fcos_losses(torch.zeros(1, 64, 1), ltrb, at, [assignment])["loss_fcos_ctr"]
    assert usual > best + 0.1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("iou", np.log(17) - np.log(9)),  # 2 x 4 of 4 x 4 pixels, one added to both
        ("smooth_l1", 1.0),  # top and bottom are off by 1, and each costs 0.5
        ("giou", 1 - 9 / 17),  # the hull is the union
    ],
)
def test_each_loss_of_boxes_has_its_published_value(kind, expected):
    predicted, target = torch.tensor([[2.0, 1.0, 2.0, 1.0]]), torch.tensor([[2.0, 2.0, 2.0, 2.0]])
    torch.testing.assert_close(box_losses(predicted, target, kind), torch.tensor([expected], dtype=torch.float32))


def test_the_quality_focal_loss_has_its_published_value_and_is_least_at_the_quality():
    logits = torch.tensor([0.0, 2.0, -3.0], requires_grad=True)
    quality = torch.tensor([0.8, 0.0, 0.3])
    p = logits.sigmoid()
    expected = -((p - quality) ** 2) * (quality * p.log() + (1 - quality) * (1 - p).log())
    torch.testing.assert_close(quality_focal_loss(logits, quality), expected)
    assert float(quality_focal_loss(torch.logit(torch.tensor([0.8])), torch.tensor([0.8]))) == pytest.approx(
        0, abs=1e-9
    )


def test_a_class_that_learns_quality_is_asked_for_the_iou_of_its_box():
    table = level_table([(8, 8)], (4,))
    box = torch.tensor([[4.0, 4.0, 24.0, 28.0]])
    assignment = assign(box, torch.zeros(1, dtype=torch.int64), table, 1)
    places = (assignment.labels == 0).nonzero()[:, 0]
    corners = torch.cat([table[0] - 4, table[0] + 4], dim=1)
    iou = box_iou(corners[places], box)[:, 0]
    logits = torch.full((1, 64, 1), -20.0)
    logits[0, places, 0] = torch.logit(iou)
    settings = InstanceLossSettings(classification_loss="quality")
    losses = fcos_losses(logits, torch.ones(1, 64, 4), torch.zeros(1, 64), [assignment], settings=settings)
    assert float(losses["loss_fcos_cls"]) == pytest.approx(0, abs=1e-6)
    wrong = logits.clone()
    wrong[0, places, 0] = 5.0
    worse = fcos_losses(wrong, torch.ones(1, 64, 4), torch.zeros(1, 64), [assignment], settings=settings)
    assert float(worse["loss_fcos_cls"]) > 0.5


def test_the_dice_of_a_mask_does_not_depend_on_its_size():
    small, large = torch.zeros(1, 28, 28), torch.zeros(1, 28, 28)
    small[0, 10:14, 10:14], large[0, 2:26, 2:26] = 1, 1
    half = [torch.where(mask > 0, 0.0, -30.0) for mask in (small, large)]  # everywhere in the mask a probability of 0.5
    values = [float(dice_losses(logits, mask)) for logits, mask in zip(half, (small, large), strict=True)]
    assert values == pytest.approx([1 - 2 * 0.5 / 1.25] * 2, abs=1e-5)


def test_the_loss_of_the_boundary_sees_pixels_beside_the_edge_alone():
    mask = torch.zeros(1, 28, 28)
    mask[0, 8:20, 8:20] = 1
    right = torch.where(mask > 0, 20.0, -20.0)
    inner, edge = right.clone(), right.clone()
    inner[0, 13, 13], edge[0, 8, 8] = -20.0, -20.0
    assert float(boundary_losses(right, mask)) == pytest.approx(0, abs=1e-6)
    assert float(boundary_losses(inner, mask)) == pytest.approx(0, abs=1e-6)
    n_edge = 14 * 14 - 10 * 10
    assert float(boundary_losses(edge, mask)) == pytest.approx(20 / n_edge, rel=1e-5)


def test_small_cells_weigh_more_by_the_power_of_their_area():
    torch.testing.assert_close(area_weights(torch.tensor([25.0, 100.0, 400.0]), 0.5), torch.tensor([2.0, 1.0, 0.5]))
    targets = torch.zeros(2, 28, 28)
    targets[:, 5:20, 5:20] = 1
    logits = torch.where(targets > 0, 3.0, -3.0)
    logits[0] *= -1  # the first is wrong
    plain = mask_losses(logits, None, targets, torch.ones(2))["loss_mask"]
    weighed = mask_losses(logits, None, targets, torch.ones(2), weights=torch.tensor([3.0, 1.0]))["loss_mask"]
    each = [float(mask_losses(logits[i : i + 1], None, targets[i : i + 1], torch.ones(1))["loss_mask"]) for i in (0, 1)]
    assert float(plain) == pytest.approx(sum(each) / 2)
    assert float(weighed) == pytest.approx((3 * each[0] + each[1]) / 4)


def test_each_factor_scales_its_loss_and_the_defaults_are_the_reference(tiny):
    torch.manual_seed(0)
    model = CenterMask(tiny)
    masks = torch.zeros(1, 64, 96, dtype=torch.uint8)
    masks[0, 10:30, 20:44] = 1
    truth = Truth(torch.tensor([[20.0, 10.0, 44.0, 30.0]]), torch.zeros(1, dtype=torch.int64), masks, torch.zeros(0, 4))
    image = torch.rand(1, 1, 64, 96)

    def losses(settings):
        torch.manual_seed(1)
        return batch_losses(model, image, [truth], settings)

    plain = losses(REFERENCE)
    assert {name: value for name, value in REFERENCE.model_dump().items() if isinstance(value, float)} == {
        "classification": 1.0,
        "box": 1.0,
        "box_quality": 1.0,
        "mask": 1.0,
        "mask_iou": 1.0,
    } | {"mask_dice": 0.0, "mask_boundary": 0.0, "small_cells": 0.0}
    of = {"classification": "loss_fcos_cls", "box": "loss_fcos_loc", "box_quality": "loss_fcos_ctr"}
    of |= {"mask": "loss_mask", "mask_iou": "loss_maskiou"}
    for field, name in of.items():
        changed = losses(InstanceLossSettings(**{field: 3.0}))
        for other, value in plain.items():
            torch.testing.assert_close(changed[other], value * (3 if other == name else 1))
    more = losses(InstanceLossSettings(mask_dice=1.0, mask_boundary=1.0, small_cells=1.0))
    assert more["loss_mask"] > plain["loss_mask"]


@pytest.mark.parametrize("n_cells", [0, 1])
def test_a_network_that_does_not_rate_boxes_learns_their_quality_as_the_class_alone(tiny, n_cells):
    """Its other losses are those of the same network with centerness."""
    torch.manual_seed(0)
    rated = CenterMask(tiny)
    model = CenterMask(tiny.model_copy(update={"box_quality": "none"}))
    model.load_state_dict({k: v for k, v in rated.state_dict().items() if "ctrness" not in k})
    masks = torch.zeros(1, 64, 96, dtype=torch.uint8)
    masks[0, 10:30, 20:44] = 1
    box, kind = torch.tensor([[20.0, 10.0, 44.0, 30.0]]), torch.zeros(1, dtype=torch.int64)
    truth = Truth(box[:n_cells], kind[:n_cells], masks[:n_cells], torch.zeros(0, 4), seed=0)
    image = torch.rand(1, 1, 64, 96)
    settings = InstanceLossSettings(classification_loss="quality")
    found, usual = (batch_losses(m, image, [truth], settings) for m in (model, rated))
    assert set(usual) - set(found) == {"loss_fcos_ctr"}
    for name in ("loss_fcos_cls", "loss_fcos_loc"):
        torch.testing.assert_close(found[name], usual[name])
    assert set(found.counts) == set(found)
    sum(found.values()).backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if p.requires_grad and "fcos_head" in name)
