"""Makes the modules beside the tests importable."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def half(folder, cells):
    """The folder with one training image, of which the left half is reviewed; returns its cells."""
    truth = cells(n=14, overlap=0.0, seed=5, shape=(160, 200))
    for cell in list(truth):
        right = cell.box[1] + cell.box[3] > 200
        truth.set(cell.id, replace(cell, status="predicted", source="nuclei") if right else cell)
    human = next(c for c in truth if c.status == "predicted")
    truth.set(human.id, replace(human, status="corrected"))
    left = next(c for c in truth if c.box[3] < 90)
    truth.set(left.id, replace(left, status="rejected"))
    Image.fromarray(np.full((160, 200), 20, np.uint8)).save(folder / "images" / "half.png")
    records = [
        ImageRecord(1, "half.png", None, truth.shape, truth, reviewed=((0, 0, 160, 100),)),
        ImageRecord(2, "train_1.png", None, (160, 200), type(truth)((160, 200))),
    ]
    write_coco(folder / "annotations_train.json", records)
    return truth


@pytest.fixture
def images(tmp_path, cells):
    """Records with files: images of different bytes."""
    from recorded import record

    def made(names, n=12):
        for name in names:
            pixels = np.random.default_rng(sum(name.encode())).integers(0, 255, (120, 160), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name)
        return [replace(record(name, cells, n=n), path=tmp_path / name) for name in names]

    return made
