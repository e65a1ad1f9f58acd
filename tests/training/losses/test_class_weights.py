"""Rare classes weigh more, by their pixels."""

import numpy as np
import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.settings import LossSettings, UNetSettings
from napari_centermask.training.losses.class_weights import class_weights
from napari_centermask.training.run.trainer import Trainer

SMALL = {"in_channels": 1, "width": 8, "depth": 3}


def test_class_weights_are_the_median_over_each_frequency(two, unet):
    settings = unet.model_copy(update={"model": UNetSettings(**SMALL, categories=["living", "dead"])})
    pixels = np.zeros(3)
    for record in read_coco(two / "annotations_train.json", images_root=two / "images"):
        labels = np.zeros(record.shape, int)
        for cell in record.instances:
            y0, x0, y1, x1 = cell.box
            labels[y0:y1, x0:x1][cell.mask] = cell.category
        pixels += np.bincount(labels.ravel(), minlength=3)
    assert class_weights(settings) == pytest.approx(np.median(pixels) / pixels, rel=1e-4)
    balanced = settings.model_copy(update={"losses": LossSettings(class_weights="balanced")})
    assert Trainer(balanced).class_weights.tolist() == pytest.approx(class_weights(settings).tolist())
    assert Trainer(settings).class_weights is None


def test_weights_of_a_category_that_is_nowhere_are_refused(folder, unet):
    settings = unet.model_copy(update={"model": UNetSettings(**SMALL, categories=["cell", "dead"])})
    with pytest.raises(BadSettings, match="have none of dead"):
        class_weights(settings)


def test_unreviewed_pixels_have_no_weight(folder, unet, cells):
    truth = cells(n=6, overlap=0.0, seed=1, shape=(160, 200))
    record = ImageRecord(1, "train_1.png", None, truth.shape, truth, reviewed=((0, 0, 80, 200),))
    write_coco(folder / "annotations_train.json", [record])
    known = read_coco(folder / "annotations_train.json", images_root=folder / "images")[0].instances
    area = sum(c.area for c in known if c.box[0] + c.box[2] < 160)
    background, foreground = class_weights(unet)
    assert foreground / background == pytest.approx((80 * 200 - area) / area, rel=1e-4)
