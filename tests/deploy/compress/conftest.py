import numpy as np
import pytest
import tifffile

from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.models.store import zoo
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings, UNetSettings

FORMS = {
    "centermask": ModelSettings(
        backbone="V-19-slim-dw-eSE",
        backbone_norm="BN",
        fpn_channels=32,
        head_convs=1,
        head_norm="none",
        mask_channels=32,
        mask_convs=1,
        maskiou_channels=16,
        maskiou_convs=1,
        maskiou_fc=16,
        top_levels=0,
    ),
    "unet": UNetSettings(in_channels=1, width=32, depth=1),
}


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A small model with random weights of each family, with weights and graphs, in 16 bits as the included ones; nearly every
    place of an image is a cell."""
    import torch

    from napari_centermask.deploy.export import export
    from napari_centermask.deploy.half_storage import round_to_half
    from napari_centermask.models.nets.build import build_model
    from napari_centermask.models.store.checkpoint import save_model

    found = {}
    for name, form in FORMS.items():
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp(name)
        network = build_model(form).eval()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # differ, so that they can rank channels
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
        round_to_half(network)
        defaults = {"score": 0.05} if name == "centermask" else {}
        card = ModelCard(name=name, licence="BSD-3-Clause", model=form, diameter=40.0, defaults=defaults)
        save_model(folder / f"{name}.safetensors", network, card)
        noise = np.random.default_rng(0).integers(0, 255, (1, 64, 64), np.uint8)
        export(network, card, folder, name=name, images={"noise": noise})
        found[name] = zoo.find_model(folder)
    return found


@pytest.fixture
def data(tmp_path, images, cells):
    """The same images with cells for train and val."""
    folder = tmp_path / "data"
    folder.mkdir()
    images.rename(folder / "images")
    paths = sorted((folder / "images").iterdir())
    for split in ("train", "val"):
        records = [
            ImageRecord(n, path.name, path, (64, 64), cells(n=4, seed=n, shape=(64, 64), radius=8.0))
            for n, path in enumerate(paths[:3], start=1)
        ]
        write_coco(folder / f"annotations_{split}.json", records)
    return folder


@pytest.fixture
def images(tmp_path):
    """A folder of ten images of noise, 64 x 64."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(10):
        tifffile.imwrite(folder / f"{n}.tif", rng.integers(0, 255, (64, 64), np.uint8))
    return folder
