"""Families of networks can be exchanged by one setting; nothing is fetched for them."""

import socket

import pytest
import torch

from napari_centermask.core.errors import MissingExtra
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.nets.smp import CLASSES
from napari_centermask.models.store.card import ModelCard, check_shapes
from napari_centermask.models.store.checkpoint import load_model, save_model
from napari_centermask.models.store.headers import read_safetensors
from napari_centermask.settings import UNetSettings
from napari_centermask.training.run.optimise import depth_of

SMALL = {"in_channels": 5, "width": 4, "depth": 4, "categories": ["living", "dead"]}


@pytest.fixture
def offline(monkeypatch):
    """Any connection fails."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@torch.no_grad()
@pytest.mark.parametrize("architecture", ["plain", *CLASSES])
def test_one_setting_exchanges_the_architecture(architecture, offline, tmp_path):
    settings = UNetSettings(**SMALL, architecture=architecture)
    model = build_model(settings).eval()
    x = torch.rand(1, 5, 64, 96)
    maps = model.maps(x)
    assert maps.shape == (1, 5, 64, 96)
    card = ModelCard(name="small", licence="BSD-3-Clause", model=settings, diameter=20.0)
    path = tmp_path / "small.safetensors"
    save_model(path, model, card, half=False)
    again, card_again = load_model(path)
    assert card_again == card
    assert torch.equal(again.maps(x), maps)
    check_shapes(card, read_safetensors(path).shapes, where="it")


@torch.no_grad()
@pytest.mark.parametrize("depth", [3, 5])
@pytest.mark.parametrize("architecture", CLASSES)
def test_maps_are_as_large_as_the_tile_at_each_depth(architecture, depth):
    model = build_model(UNetSettings(in_channels=1, width=4, depth=depth, architecture=architecture)).eval()
    assert model(torch.rand(1, 1, 64, 32)).shape == (1, 4, 64, 32)


@pytest.mark.parametrize("architecture", ["plain", *CLASSES])
def test_a_single_tile_can_be_trained_on(architecture):
    torch.manual_seed(0)
    model = build_model(UNetSettings(**SMALL, architecture=architecture)).train()
    outputs = model.outputs(torch.randn(1, SMALL["in_channels"], 64, 64))
    sum(maps.square().mean() for maps in outputs).backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]  # an encoder's last stage may be unused
    assert len(gradients) > 10
    assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("architecture", ["unet", "unet++"])
def test_scse_is_there_where_it_is_asked_for(architecture):
    forms = [SMALL | {"width": 16, "architecture": architecture, "attention": a} for a in ("none", "scse")]
    plain, gated = (build_model(UNetSettings(**form)) for form in forms)
    more = set(gated.state_dict()) - set(plain.state_dict())
    assert more
    assert all("attention" in key for key in more)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"depth": 2}, r"model\.depth 3 to 5 with architecture fpn, got 2"),
        ({"attention": "scse"}, r"model\.attention none with architecture fpn, got scse"),
        ({"architecture": "unet", "attention": "gate"}, r"none or scse with architecture unet, got gate"),
        ({"architecture": "unet", "attention": "scse"}, r"model\.width 16 or more with attention scse, got 4"),
        ({"architecture": "unet++", "dropout": 0.2}, r"model\.dropout 0 with architecture unet\+\+"),
        ({"deep_supervision": True}, r"deep_supervision with architecture plain alone"),
        ({"encoder": "resnet7"}, r"one of resnet18, .*; got 'resnet7'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        build_model(UNetSettings(**(SMALL | {"architecture": "fpn"} | change)))


def test_without_the_package_the_remedy_is_said(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(MissingExtra, match=r"napari-centermask\[train,unet\].*architecture plain"):
        build_model(UNetSettings(architecture="fpn"))


def test_the_depth_of_an_encoders_stages_is_known():
    model = build_model(UNetSettings(**SMALL, architecture="unet"))
    depths = {name: depth_of(model, name) for name, _ in model.named_parameters()}
    assert depths["network.encoder.conv1.weight"] == 0
    assert depths["network.encoder.layer3.0.conv1.weight"] == 3
    assert depths["network.decoder.blocks.0.conv1.0.weight"] == 5
    assert depths["network.segmentation_head.0.weight"] == 6
