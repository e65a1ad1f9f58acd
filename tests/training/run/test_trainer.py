"""The trainer takes steps and changes with what the machine allows."""

import pytest

from napari_centermask.training.run.trainer import Trainer


def test_a_smaller_batch_holds_for_a_run_that_was_halved_before(settings):
    trainer = Trainer(settings.model_copy(update={"batch": 2}))
    trainer.progress.batch = 4
    assert trainer.batch == 2
    trainer.progress.batch = 1
    assert trainer.batch == 1


@pytest.mark.parametrize(("before", "after"), [("bf16", "fp16"), ("fp16", "off")])
def test_a_run_continues_with_another_precision(settings, before, after):
    trainer = Trainer(settings.model_copy(update={"amp": before}))
    trainer.progress.step = 3
    trainer.save()
    resumed = Trainer(settings.model_copy(update={"amp": after}))
    assert resumed.resume() is None
    assert resumed.progress.step == 3
    assert resumed.scaler.is_enabled() == (after == "fp16")
