"""Only the reviewed parts of a partly reviewed image are used for training."""

import numpy as np
import pytest

from napari_centermask.settings import AugmentSettings
from napari_centermask.training.data.loader import load_split
from napari_centermask.training.data.sample import Sample
from napari_centermask.training.data.sampler import TileSampler
from napari_centermask.training.run.loop import train
from napari_centermask.training.run.trainer import Trainer

PLAIN = AugmentSettings(intensity=0, blur=0, noise=0, gradient=0, grey=0, copy_paste=0)


@pytest.mark.parametrize("rotate", [0.0, 30.0])
def test_the_marks_follow_the_image(folder, half, settings, rotate):
    (sample,) = load_split(folder, "train")
    image = np.full((1, 160, 200), 20, np.uint8)
    image[..., 100:] = 200
    sample = Sample(image, sample.instances, sample.lo * 0, sample.lo * 0 + 220, reviewed=sample.reviewed)
    plain = PLAIN.model_copy(update={"rotate": rotate})
    tiles = TileSampler([[sample]], settings.model_copy(update={"augment": plain}))
    marked = 0
    for index in range(6):
        tile = tiles[index]
        bright, unknown = tile.image[0] > 0.5, tile.unreviewed.astype(bool)
        marked += int(unknown.sum())
        assert bright[unknown].sum() >= 0.97 * unknown.sum()
    assert marked > 3000


def test_a_run_learns_nothing_from_unreviewed_background(folder, half, settings, monkeypatch):
    """The marks reach the losses of the run itself, not only those that search the learning rate."""
    seen = []
    step = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self, images, truths: seen.extend(truths) or step(self, images, truths))
    list(train(settings.model_copy(update={"steps": 2}), evaluate=lambda *_: {"AP": 0.0}))
    assert any(truth.unreviewed is not None and truth.unreviewed.any() for truth in seen)
