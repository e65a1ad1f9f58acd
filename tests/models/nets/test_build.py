"""The settings decide which network is built."""

import pytest
import torch

from napari_centermask.models.nets.build import MapModel, activate, build_model
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.settings import ModelSettings, UNetSettings

SMALL = {"in_channels": 2, "width": 4, "depth": 3}


@pytest.mark.parametrize("norm", ["BN", "GN", "none"])
@pytest.mark.parametrize("attention", ["none", "scse", "gate"])
def test_maps_are_as_large_as_the_tile(norm, attention):
    model = build_model(UNetSettings(**SMALL, norm=norm, attention=attention)).eval()
    assert model(torch.rand(2, 2, 64, 96)).shape == (2, 4, 64, 96)


@pytest.mark.parametrize("shape", [(96, 32), (33, 50)])
def test_a_deep_network_takes_any_size(shape):
    model = build_model(UNetSettings(in_channels=1, width=4, depth=6)).eval()
    assert model(torch.rand(1, 1, *shape)).shape == (1, 4, *shape)


def test_maps_are_probabilities():
    model = build_model(UNetSettings(**SMALL, categories=["living", "dead"])).eval()
    maps = model.maps(torch.rand(2, 2, 32, 32))
    assert maps.shape == (2, 5, 32, 32)
    assert model.settings.map_names == ["background", "living", "dead", "border", "distance"]
    assert torch.allclose(maps[:, :3].sum(dim=1), torch.ones(2, 32, 32), atol=1e-5)
    assert ((maps >= 0) & (maps <= 1)).all()


def test_activation_by_hand():
    raw = torch.tensor([0.0, 1.0986123, 0.0, -1.0986123]).reshape(1, 4, 1, 1)  # ln 3
    assert torch.allclose(activate(raw, 2).flatten(), torch.tensor([0.25, 0.75, 0.5, 0.25]))


def test_the_family_decides_what_is_built():
    assert isinstance(build_model(UNetSettings(**SMALL)), MapModel)
    small = ModelSettings(fpn_channels=32, mask_channels=16, maskiou_channels=16, maskiou_fc=16)
    with torch.device("meta"):
        assert isinstance(build_model(small), CenterMask)
