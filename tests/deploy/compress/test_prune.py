"""Pruned networks have fewer channels or layers and still work; zeros stay zero; rounding leaves no trace."""

import copy

import pytest
import torch

from napari_centermask.core.errors import BadSettings
from napari_centermask.deploy.compress import prune
from napari_centermask.deploy.compress.distil import Distillation
from napari_centermask.deploy.compress.rounding import rounded
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.store.checkpoint import load_model
from napari_centermask.settings import ModelSettings, UNetSettings
from napari_centermask.training.data.parts import Truth


@pytest.fixture(params=["centermask", "unet"])
def network(models, request):
    return load_model(models[request.param].weights)[0]


def _size(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("criterion", ["batch_norm", "magnitude"])
def test_pruning_removes_channels_and_what_depends_on_them(network, criterion):
    before = _size(network)
    prune.prune_channels(network, 0.5, criterion)
    assert _size(network) < 0.9 * before
    outputs = network.eval()(torch.rand(1, network.settings.in_channels, 64, 64))
    if isinstance(network.settings, ModelSettings):
        assert outputs[0][0].shape[1] == network.settings.fpn_channels
        masks, quality = network.roi(
            outputs[0], torch.tensor([[0, 1.0, 1, 30, 30]]), torch.zeros(1, dtype=torch.int64), 64.0**2
        )
        assert masks.shape == (1, 28, 28)
        assert torch.isfinite(quality).all()
    else:
        assert outputs.shape == (1, len(network.settings.map_names), 64, 64)


def test_batch_norm_scales_need_batch_norms():
    with pytest.raises(BadSettings, match="no batch norms"):
        prune.prune_channels(build_model(UNetSettings(width=16, depth=1, norm="GN")), 0.5, "batch_norm")


def test_frozen_batch_norms_become_ordinary_ones_with_the_same_result():
    network = build_model(ModelSettings(backbone="V-19-slim-dw-eSE", backbone_norm="FrozenBN", fpn_channels=32)).eval()
    x = torch.rand(1, 3, 64, 64)
    before = network.pyramid(x)
    prune.thaw(network)
    torch.testing.assert_close(network.pyramid(x), before)
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())


def test_zeros_are_half_of_the_weights_and_two_of_each_four(network):
    halves = copy.deepcopy(network)
    prune.zero_weights(halves, 0.5)
    weight = next(m for m in halves.modules() if isinstance(m, torch.nn.Conv2d)).weight
    assert (weight == 0).float().mean() == pytest.approx(0.5, abs=0.01)
    again = prune.zero_weights(network, 0.5, two_of_four=True)
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d) and m.weight.shape[1] % 4 == 0]
    with torch.no_grad():
        layers[0].weight += 1
    again()
    for layer in layers:
        fours = layer.weight.detach().transpose(1, -1).reshape(-1, 4)
        assert ((fours != 0).sum(dim=1) <= 2).all()


def test_fewer_layers_keep_the_weights_of_the_others():
    network = build_model(UNetSettings(in_channels=1, width=8, depth=2))
    smaller = prune.without_layers(network, {"depth": 1})
    assert smaller.settings.depth == 1
    torch.testing.assert_close(smaller.state_dict()["network.head.weight"], network.state_dict()["network.head.weight"])
    for changes, words in (({"depth": 3}, "fewer layers are 1 to 1"), ({"width": 4}, "no number of layers 'width'")):
        with pytest.raises(BadSettings, match=words):
            prune.without_layers(network, changes)


def test_simulated_rounding_changes_results_a_little_and_leaves_no_trace(network):
    x, keys = torch.rand(1, network.settings.in_channels, 64, 64), list(network.state_dict())
    flat = lambda out: (out if isinstance(out, torch.Tensor) else out[1]).detach()  # noqa: E731
    before = flat(network(x))
    with rounded(network, keep=prune.predictors(network)):
        inside = flat(network(x))
    assert 0 < (inside - before).abs().max() < 0.2 * before.abs().max()
    torch.testing.assert_close(flat(network(x)), before)
    assert sorted(network.state_dict()) == sorted(keys)


def test_a_student_like_its_teacher_has_only_what_probabilities_leave_over(network):
    losses = Distillation(network, [copy.deepcopy(network)] * 2, temperature=2.0, weight=1.0, features=1.0)
    with torch.no_grad():
        for adapter in losses.adapters:
            torch.nn.init.dirac_(adapter.weight)
            adapter.bias.zero_()
    boxes = torch.tensor([[4.0, 4, 40, 40]])
    truths = [Truth(boxes, torch.zeros(1, dtype=torch.int64), torch.ones(1, 64, 64, dtype=torch.uint8))]
    own = losses(network, torch.rand(1, network.settings.in_channels, 64, 64), truths)
    if isinstance(network.settings, ModelSettings):
        assert set(own) == {f"loss_teacher_{n}" for n in ("classes", "boxes", "centerness", "features", "masks")}
        assert own["loss_teacher_boxes"].item() == pytest.approx(0, abs=1e-5)
        assert own["loss_teacher_classes"].item() == pytest.approx(0, abs=1e-5)
        assert own["loss_teacher_features"].item() == pytest.approx(0, abs=1e-5)
    assert all(torch.isfinite(loss) for loss in own.values())


def test_a_teacher_of_another_kind_is_refused(models):
    student, teacher = (load_model(models[name].weights)[0] for name in ("unet", "centermask"))
    with pytest.raises(BadSettings, match="A teacher is a centermask"):
        Distillation(student, [teacher], temperature=1.0, weight=1.0, features=0.0)
