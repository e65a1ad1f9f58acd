"""The rate finder searches a learning rate and leaves the trainer as it was."""

import numpy as np
import pytest
import torch

from napari_centermask.core.errors import TrainingFailed
from napari_centermask.training.data.loader import batches
from napari_centermask.training.run.rate_finder import find_rate
from napari_centermask.training.run.trainer import Trainer


def test_the_rate_finder_leaves_the_trainer_as_it_was(settings):
    trainer = Trainer(settings)
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    pairs = ((b.images, b.truths) for b in batches(settings))
    curve = find_rate(trainer, pairs, steps=8)
    assert 1e-7 < curve.best < 0.1
    assert np.isfinite(curve.losses).all()
    assert all(torch.equal(v, before[k]) for k, v in trainer.model.state_dict().items())
    assert trainer.progress.step == 0


def test_a_loss_that_is_never_finite_is_named_by_the_rate_finder(settings, monkeypatch):
    monkeypatch.setattr(Trainer, "_losses", lambda *_: {"loss_mask": torch.tensor(float("nan"), requires_grad=True)})
    trainer = Trainer(settings)
    with pytest.raises(TrainingFailed, match="loss_mask became"):
        find_rate(trainer, ((b.images, b.truths) for b in batches(settings)), steps=8)
