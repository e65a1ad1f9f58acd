"""Frozen layers, slower first layers, other categories, a rate from the data, TensorBoard files."""

import pytest
import torch

from napari_centermask.models.nets.build import MapModel
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.settings import UNetSettings
from napari_centermask.training.run.optimise import depth_of, freeze, make_optimiser, set_rate
from napari_centermask.training.run.start import for_categories


@pytest.fixture
def model(tiny):
    torch.manual_seed(0)
    return CenterMask(tiny)


@pytest.mark.parametrize("backbone", ["V-19-slim-eSE", "R-50"])
def test_layers_are_ordered_from_the_image_on(tiny, backbone):
    with torch.device("meta"):
        model = CenterMask(tiny.model_copy(update={"backbone": backbone}))
    names = [n for n, _ in model.named_parameters()]
    assert {depth_of(model, n) for n in names} == set(range(7))
    assert depth_of(model, next(n for n in names if "stem" in n)) == 0


def test_frozen_layers_do_not_learn(model):
    everything = sum(p.numel() for p in model.parameters())
    assert 0 < freeze(model, "backbone") < everything
    assert {depth_of(model, n) for n, p in model.named_parameters() if p.requires_grad} == {5, 6}


def test_each_stage_learns_slower_than_the_next(model, settings):
    optimiser = make_optimiser(model, settings.model_copy(update={"layer_decay": 0.5}))
    set_rate(optimiser, 1.0)
    rates = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert rates[id(parameter)] == 0.5 ** (6 - depth_of(model, name))


def test_without_decay_the_groups_are_those_of_older_checkpoints(model, settings):
    groups = make_optimiser(model, settings).param_groups
    assert [g["weight_decay"] for g in groups] == [settings.weight_decay, 0.0]
    assert [len(g["params"]) for g in groups] == [
        sum(p.dim() > 1 for p in model.parameters()),
        sum(p.dim() <= 1 for p in model.parameters()),
    ]


def test_new_categories_begin_with_what_the_old_ones_find(model):
    new = for_categories(model, ["living", "cell", "dead"]).eval()
    x = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        old_logits, new_logits = model.eval().dense(x)[1], new.dense(x)[1]
    assert new_logits.shape[2] == 3
    assert torch.allclose(new_logits, old_logits.expand(-1, -1, 3), atol=1e-6)


def test_the_depth_of_layers_is_known():
    model = MapModel(UNetSettings(in_channels=1, width=4, depth=4, deep_supervision=True))
    depths = {name: depth_of(model, name) for name, _ in model.named_parameters()}
    assert depths["network.down.0.conv1.weight"] == 0
    assert depths["network.down.4.conv2.weight"] == 4
    assert depths["network.up.0.up.weight"] == 5
    assert depths["network.head.weight"] == depths["network.side.0.weight"] == 6
    freeze(model, "backbone")
    assert {n.split(".")[1] for n, p in model.named_parameters() if p.requires_grad} == {"up", "head", "side"}
