"""Targets of FCOS and the losses of networks that begin at stride 4 or 8."""

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.training.data.truth import Truth
from napari_centermask.training.losses.batch_losses import batch_losses
from napari_centermask.training.losses.centermask import assign, fcos_losses, level_table

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


@pytest.mark.parametrize(("first_level", "roi_size"), [(3, 14), (2, 14), (2, 10), (2, 6)])
def test_losses_reach_every_part_of_the_network(tiny, first_level, roi_size):
    torch.manual_seed(0)
    model = CenterMask(tiny.model_copy(update={"first_level": first_level, "roi_size": roi_size}))
    masks = torch.zeros(2, 64, 96, dtype=torch.uint8)
    masks[0, 10:30, 20:44], masks[1, 30:60, 50:90] = 1, 1
    boxes = torch.tensor([[20.0, 10.0, 44.0, 30.0], [50.0, 30.0, 90.0, 60.0]])
    truth = Truth(boxes, torch.zeros(2, dtype=torch.int64), masks, torch.zeros(0, 4))
    losses = batch_losses(model, torch.rand(1, 1, 64, 96), [truth])
    sum(losses.values()).backward()
    assert all(torch.isfinite(value) for value in losses.values())
    lateral = getattr(model.backbone, f"fpn_lateral{first_level}")
    heads = model.roi_heads.mask_head.predictor, model.roi_heads.maskiou_head.maskiou_fc1
    assert all(layer.weight.grad.abs().sum() > 0 for layer in (lateral, *heads))


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
