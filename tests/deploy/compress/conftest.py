import numpy as np
import pytest
import tifffile
import torch

from napari_centermask.deploy.export import export
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.store import zoo
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import save_model
from napari_centermask.settings import ModelSettings, UNetSettings

FORMS = {
    "centermask": ModelSettings(
        backbone="V-19-slim-dw-eSE",
        backbone_norm="BN",
        fpn_channels=16,
        head_convs=1,
        head_norm="none",
        mask_channels=16,
        mask_convs=1,
        maskiou_channels=8,
        maskiou_convs=1,
        maskiou_fc=8,
        top_levels=0,
    ),
    "unet": UNetSettings(in_channels=1, width=8, depth=2),
}


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A small model with random weights of each family, with weights and graphs; nearly every place of an image is a cell."""
    found = {}
    for name, form in FORMS.items():
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp(name)
        network = build_model(form).eval()
        defaults = {"score": 0.05} if name == "centermask" else {}
        card = ModelCard(name=name, licence="BSD-3-Clause", model=form, diameter=40.0, defaults=defaults)
        save_model(folder / f"{name}.safetensors", network, card, half=False)
        export(network, card, folder, name=name)
        found[name] = zoo.find_model(folder)
    return found


@pytest.fixture
def images(tmp_path):
    """A folder of ten images of noise, 64 x 64."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(10):
        tifffile.imwrite(folder / f"{n}.tif", rng.integers(0, 255, (64, 64), np.uint8))
    return folder
