"""Each loss of the maps against numbers computed by hand."""

import math

import numpy as np
import pytest
import torch

from napari_centermask.settings import LossSettings, UNetSettings
from napari_centermask.training.data.map_targets import IGNORED
from napari_centermask.training.data.parts import MapTruth
from napari_centermask.training.losses.map_losses import (
    border_loss,
    boundary_loss,
    class_loss,
    distance_loss,
    focal_loss,
    map_losses,
    tversky_loss,
)

# Two classes, four pixels in a row: foreground probabilities 0.8, 0.5, 0.2, 0.9; the last pixel is not known.
P = [0.8, 0.5, 0.2, 0.9]
RAW = torch.tensor([[math.log(1 - p) for p in P], [math.log(p) for p in P]]).reshape(1, 2, 1, 4)
CLASSES = torch.tensor([1, 1, 0, IGNORED]).reshape(1, 1, 4)
SIGNED = torch.tensor([-0.5, -0.25, 0.25, 1.0]).reshape(1, 1, 4)
NONE = LossSettings(cross_entropy=0, dice=0)


def only(**factors):
    return class_loss(RAW, CLASSES, SIGNED, NONE.model_copy(update=factors), None).item()


def test_cross_entropy():
    assert only(cross_entropy=2.0) == pytest.approx(-2 * (math.log(0.8) + math.log(0.5) + math.log(0.8)) / 3)


def test_weighted_cross_entropy():
    weights = torch.tensor([1.0, 3.0])
    loss = class_loss(RAW, CLASSES, SIGNED, NONE.model_copy(update={"cross_entropy": 1.0}), weights).item()
    assert loss == pytest.approx(-(3 * math.log(0.8) + 3 * math.log(0.5) + math.log(0.8)) / 7)


def test_focal():
    by_hand = -(0.2**2 * math.log(0.8) + 0.5**2 * math.log(0.5) + 0.2**2 * math.log(0.8)) / 3
    assert only(focal=1.0) == pytest.approx(by_hand)
    weights = torch.tensor([1.0, 3.0])
    by_hand = -(3 * 0.2**2 * math.log(0.8) + 3 * 0.5**2 * math.log(0.5) + 0.2**2 * math.log(0.8)) / 7
    assert focal_loss(RAW, CLASSES, 2.0, weights).item() == pytest.approx(by_hand)


def test_focal_without_gamma_is_cross_entropy():
    assert only(focal=1.0, focal_gamma=0.0) == pytest.approx(only(cross_entropy=1.0))


def test_dice():
    # TP 0.8 + 0.5, sum of probabilities 1.5, of the truth 2; 1 is added above and below.
    assert only(dice=1.0) == pytest.approx(1 - (2 * 1.3 + 2) / (1.5 + 2 + 2))


def test_tversky():
    # TP 1.3, FP 0.2, FN 0.7
    assert only(tversky=1.0) == pytest.approx(1 - (1.3 + 1) / (1.3 + 0.3 * 0.2 + 0.7 * 0.7 + 1))


def test_tversky_weighs_categories():
    raw = torch.zeros(1, 3, 1, 3)
    classes = torch.tensor([0, 1, 2]).reshape(1, 1, 3)
    each = [1 - (1 / 3 + 1) / (1 / 3 + 0.5 * 2 / 3 + 0.5 * 2 / 3 + 1)] * 2
    assert tversky_loss(raw, classes, 0.5, 0.5).item() == pytest.approx(np.mean(each))
    raw[0, 1, 0, 1] = 50.0  # the first category is found
    first = tversky_loss(raw, classes, 0.5, 0.5, torch.tensor([1.0, 1.0, 0.0])).item()
    assert first == pytest.approx(1 - (1 + 1) / (1 + 0.5 * 2 / 3 + 1))


def test_a_category_that_is_nowhere_costs_nothing():
    raw = torch.tensor([50.0, 0.0]).reshape(1, 2, 1, 1)
    assert tversky_loss(raw, torch.zeros(1, 1, 1, dtype=torch.long), 0.5, 0.5).item() == pytest.approx(0, abs=1e-6)


def test_boundary():
    assert only(boundary=1.0) == pytest.approx((0.8 * -0.5 + 0.5 * -0.25 + 0.2 * 0.25) / 3)
    assert boundary_loss(RAW, CLASSES, SIGNED).item() == pytest.approx(only(boundary=1.0))


def test_losses_add_up():
    mixed = only(cross_entropy=0.5, dice=2.0, focal=1.0, boundary=0.1)
    parts = 0.5 * only(cross_entropy=1.0) + 2 * only(dice=1.0) + only(focal=1.0) + 0.1 * only(boundary=1.0)
    assert mixed == pytest.approx(parts)


def test_border():
    raw = torch.tensor([math.log(4), 0.0, -math.log(4), 9.0]).reshape(1, 1, 4)  # 0.8, 0.5, 0.2
    border, known = torch.tensor([1.0, 0, 0, 1]).reshape(1, 1, 4), torch.tensor([1.0, 1, 1, 0]).reshape(1, 1, 4)
    entropy = -(math.log(0.8) + math.log(0.5) + math.log(0.8)) / 3
    dice = 1 - (2 * 0.8 + 1) / (1.5 + 1 + 1)
    assert border_loss(raw, border, known).item() == pytest.approx((entropy + dice) / 2)


def test_distance():
    raw = torch.tensor([math.log(4), 0.0, -math.log(4), 9.0]).reshape(1, 1, 4)
    distance, known = torch.tensor([1.0, 0.4, 0, 0]).reshape(1, 1, 4), torch.tensor([1.0, 1, 1, 0]).reshape(1, 1, 4)
    assert distance_loss(raw, distance, known).item() == pytest.approx(0.5 * ((0.2 + 0.1) / 2 + 0.2))


def truth_of(classes):
    zeros = torch.zeros(classes.shape)
    return MapTruth(classes.to(torch.uint8), zeros.to(torch.uint8), zeros, zeros)


def test_an_unreviewed_tile_has_no_loss():
    truth = truth_of(torch.full((1, 8, 8), IGNORED))
    raw = torch.randn(1, 4, 8, 8, requires_grad=True)
    every = LossSettings(focal=1, tversky=1, boundary=1)
    values = map_losses([raw], truth, UNetSettings(), every)
    assert values["loss_class"] == values["loss_distance"] == 0
    sum(values.values()).backward()
    assert not raw.grad.any()


def test_a_model_without_border_and_distance_has_no_such_losses():
    model = UNetSettings(border=False, distance=False)
    assert set(map_losses([torch.zeros(1, 2, 8, 8)], truth_of(torch.zeros(1, 8, 8)), model, LossSettings())) == {
        "loss_class"
    }


def test_coarser_levels_count_less():
    model = UNetSettings(border=False, distance=False, deep_supervision=True)
    truth = truth_of(torch.ones(1, 8, 8))
    right, wrong = (torch.tensor([0.0, 50.0 * sign]).reshape(1, 2, 1, 1) for sign in (1, -1))
    plain = LossSettings(dice=0)

    def loss(*levels):
        outputs = [level.expand(1, 2, 8 // 2**n, 8 // 2**n) for n, level in enumerate(levels)]
        return map_losses(outputs, truth, model, plain)["loss_class"].item()

    assert loss(wrong) == pytest.approx(50)
    assert loss(wrong, right, right) == pytest.approx(50 * 4 / 7)
    assert loss(right, wrong, right) == pytest.approx(50 * 2 / 7)
    assert loss(right, right, wrong) == pytest.approx(50 * 1 / 7)
