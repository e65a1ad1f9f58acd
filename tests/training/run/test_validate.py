"""The score of a model in training is chosen for what is new and for what the start model was made for."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_centermask.core.instances import Instances
from napari_centermask.training.run import validate
from napari_centermask.training.run.loop import train
from napari_centermask.training.run.trainer import Trainer


def like(sample, *, right, wrong):
    """The true cells with the score `right`, and each once more, moved away, with the score `wrong`."""
    cells = [replace(c, score=right) for c in sample.instances]
    cells += [replace(c, id=0, score=wrong, y0=0, x0=0, mask=np.ones((2, 2), bool)) for c in sample.instances]
    return Instances(sample.instances.shape, cells, categories=sample.instances.categories)


@pytest.fixture
def known(settings, tmp_path):
    """A copy of the data, as what the start model was made for."""
    return shutil.copytree(settings.data[0], tmp_path / "known")


@pytest.fixture
def judged(settings, monkeypatch):
    """Evaluate a model that is sure of new cells, and doubtful but right on those that it was made for."""

    def segmented(sample, engine, settings, *, min_score):
        given = {"right": 0.72, "wrong": 0.57} if sample.folder == "data" else {"right": 0.62, "wrong": 0.37}
        return sample.instances, like(sample, **given), 0.1

    def judge(**changes):
        trainer = Trainer(settings.model_copy(update=changes))
        monkeypatch.setattr(validate, "_segmented", segmented)
        return validate.evaluate(trainer.model, trainer)

    return judge


def test_without_known_images_the_new_ones_choose_the_score(judged):
    evaluation = judged()
    assert evaluation["score"] == 0.6  # of 0.60, 0.65 and 0.70 the nearest to the usual one
    assert evaluation["AP"] == 1.0
    assert "AP_known" not in evaluation


def test_outlines_and_class_maps_are_measured_at_the_score_that_was_chosen(judged):
    found = judged()
    keys = ("boundary_iou", "miou", "pixel_accuracy", "dice")
    assert [found[key] for key in keys] == [1.0] * 4  # the false cells, below 0.60, are left out
    assert [found["per_folder"]["data"][key] for key in keys] == [1.0] * 4


def test_a_score_at_which_known_cells_are_lost_is_not_chosen(judged, known, monkeypatch):
    evaluation = judged(replay=[known])
    assert evaluation["score"] == 0.6
    assert evaluation["AP"] == evaluation["AP_known"] == 1.0
    monkeypatch.setattr(validate, "SCORES", (0.3, 0.7))
    evaluation = judged(replay=[known])
    # The usual one: half of what is found in new images is wrong there, at 0.7 all known cells were lost.
    assert evaluation["score"] == 0.4
    assert (evaluation["AP"], evaluation["AP_known"]) == (0.5, 1.0)


@pytest.mark.parametrize(("n_cells", "score"), [(5, 0.5), (200, 0.6)])
def test_few_new_cells_count_less(n_cells, score):
    results = {0.5: {"AP": 0.3, "AP_known": 0.62}, 0.6: {"AP": 0.5, "AP_known": 0.55}}
    assert validate.best_score(results, 0.5, n_cells=n_cells) == score


def test_nothing_is_given_up_for_a_gain_on_what_was_known():
    results = {0.5: {"AP": 0.31, "AP_known": 0.60}, 0.6: {"AP": 0.30, "AP_known": 0.70}}
    assert validate.best_score(results, 0.5, n_cells=50) == 0.5


def test_a_part_of_the_start_model_is_kept(settings):
    list(train(settings, evaluate=lambda *_: {"AP": 0.0, "AP50": 0.0}))
    tuned = {"start": str(settings.out / "best.safetensors"), "out": settings.out.with_name("tuned"), "ema": 0.0}
    trainers = [Trainer(settings.model_copy(update=tuned | {"keep": keep})) for keep in (0.0, 0.25)]
    before = trainers[0].model.state_dict()
    (key,) = [k for k in before if k.endswith("cls_logits.weight")]
    before = before[key].clone()
    for trainer in trainers:
        with torch.no_grad():
            trainer.model.state_dict()[key].add_(1.0)
    whole, mixed = (trainer.averaged().state_dict()[key] for trainer in trainers)
    assert torch.allclose(whole, before + 1.0)
    assert torch.allclose(mixed, before + 0.75)


def test_a_card_keeps_every_evaluation_among_thinned_losses(settings):
    trainer = Trainer(settings)
    trainer.read_facts()
    rows = [{"step": n, "AP": n / 1000} if n % 97 == 0 else {"step": n, "loss_mask": 1.0} for n in range(1, 1001)]
    trainer.progress.curves = rows
    kept = validate.training_facts(trainer)["curves"]
    assert [row for row in kept if "AP" in row] == [row for row in rows if "AP" in row]
    assert len(kept) < 230
