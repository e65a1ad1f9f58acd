from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.settings import ModelSettings, TrainSettings, UNetSettings

TINY = {
    "backbone": "V-19-slim-dw-eSE",
    "ese": False,
    "top_levels": 0,
    "head_norm": "none",
    "head_convs": 1,
    "fpn_channels": 32,
    "mask_channels": 32,
    "mask_convs": 1,
    "maskiou_convs": 1,
    "maskiou_channels": 16,
    "maskiou_fc": 16,
    "roi_levels": "area",
    "in_channels": 1,
}


@pytest.fixture
def tiny():
    """Settings of the smallest network that has every part."""
    return ModelSettings(**TINY)


@pytest.fixture
def folder(tmp_path, cells):
    """A data folder: three images whose intensity is 200 where a cell is and 20 elsewhere, one of them for val."""
    (tmp_path / "data" / "images").mkdir(parents=True)
    for split, seeds in (("train", (1, 2)), ("val", (3,))):
        records = []
        for seed in seeds:
            truth = cells(n=10, overlap=0.0, seed=seed, shape=(160, 200))
            image = np.full(truth.shape, 20, np.uint8)
            for cell in truth:
                y0, x0, y1, x1 = cell.box
                image[y0:y1, x0:x1][cell.mask] = 200
            name = f"{split}_{seed}.png"
            Image.fromarray(image).save(tmp_path / "data" / "images" / name)
            records.append(ImageRecord(seed, name, None, truth.shape, truth))
        write_coco(tmp_path / "data" / f"annotations_{split}.json", records)
    return tmp_path / "data"


@pytest.fixture
def settings(folder, tmp_path, tiny):
    """A short run on the folder."""
    return TrainSettings(
        data=[folder],
        out=tmp_path / "run",
        model=tiny,
        diameter=28.0,
        tile=128,
        batch=2,
        steps=6,
        warmup=2,
        evaluate_every=6,
        workers=0,
        amp="off",
        device="cpu",
    )


@pytest.fixture
def unet(settings):
    """A short run of a small U-Net on the folder."""
    return settings.model_copy(update={"model": UNetSettings(in_channels=1, width=8, depth=3), "learning_rate": 5e-3})


@pytest.fixture
def two(folder):
    """The folder with two categories: every fifth cell is dead."""
    for split in ("train", "val"):
        path = folder / f"annotations_{split}.json"
        records = read_coco(path, images_root=folder / "images")
        for record in records:
            record.instances.categories = {1: "living", 2: "dead"}
            for n, cell in enumerate(list(record.instances)):
                record.instances.set(cell.id, replace(cell, category=1 + (n % 5 == 0)))
        write_coco(path, records)
    return folder
