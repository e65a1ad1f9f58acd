import json

import pytest
import torch

from napari_centermask.core.errors import TrainingFailed
from napari_centermask.models.store.checkpoint import load_model
from napari_centermask.training.run.loop import train
from napari_centermask.training.run.optimise import learning_rate
from napari_centermask.training.run.trainer import Trainer


def events(settings, **options):
    return list(train(settings, **options))


def test_a_run_reports_saves_and_keeps_the_best(settings):
    run = events(settings)
    kinds = [e.event for e in run]
    assert kinds[0] == "start"
    assert kinds[-1] == "done"
    assert {"step", "checkpoint", "evaluation"} <= set(kinds)
    model, card = load_model(settings.out / "best.safetensors")
    assert card.training["steps"] == settings.steps
    assert card.training["data"][settings.data[0].name]["train"]
    assert json.loads((settings.out / "run.json").read_text())["steps"] == settings.steps
    assert not model.training


def test_losses_fall_on_a_small_set(settings):
    longer = settings.model_copy(update={"steps": 60, "evaluate_every": 1000, "learning_rate": 2e-3})
    steps = [e for e in events(longer, evaluate=lambda *_: {"AP": 0.0}) if e.event == "step"]
    assert steps[-1].losses["loss_fcos_cls"] < 0.7 * steps[0].losses["loss_fcos_cls"]
    assert steps[-1].losses["loss_mask"] < steps[0].losses["loss_mask"]


def test_a_resumed_run_continues_where_it_stopped(settings):
    events(settings, evaluate=lambda *_: {"AP": 0.0})
    longer = settings.model_copy(update={"steps": 8, "resume": True})
    run = events(longer, evaluate=lambda *_: {"AP": 0.0})
    assert run[0].step == settings.steps
    assert run[-1].step == 8


def test_resuming_without_or_with_a_damaged_checkpoint_explains_itself(settings):
    resumed = settings.model_copy(update={"resume": True})
    with pytest.raises(TrainingFailed, match="is missing"):
        events(resumed)
    (settings.out / "last.pt").write_bytes(b"damaged")
    with pytest.raises(TrainingFailed, match="damaged"):
        events(resumed)


def test_a_loss_that_is_not_finite_stops_and_is_named(settings):
    trainer = Trainer(settings)
    losses = {"loss_mask": torch.tensor(1.0), "loss_fcos_loc": torch.tensor(float("nan"))}
    with pytest.raises(TrainingFailed, match="loss_fcos_loc became"):
        trainer._check(losses)


def test_only_a_better_model_replaces_the_best(settings):
    twice = settings.model_copy(update={"evaluate_every": 3})
    scores = iter([0.5, 0.2])
    run = events(twice, evaluate=lambda *_: {"AP": next(scores)})
    assert [e.better for e in run if e.event == "evaluation"] == [True, False]
    _, card = load_model(settings.out / "best.safetensors")
    assert card.metrics["val"]["AP"] == 0.5


def test_the_rate_warms_up_and_decays(settings):
    rates = [learning_rate(settings, step, step / 100) for step in range(100)]
    assert rates[0] < rates[1] == max(rates)
    assert rates[-1] < 0.01 * settings.learning_rate
    short = settings.model_copy(update={"warmup": 500})  # its minutes are over before
    assert learning_rate(short, 4, 0.05) == pytest.approx(0.5 * learning_rate(settings, 4, 0.05))
    assert learning_rate(short, 9, 0.1) == learning_rate(settings, 9, 0.1)
    stepped = settings.model_copy(update={"schedule": "step"})
    assert learning_rate(stepped, 90, 0.7) == pytest.approx(0.1 * settings.learning_rate)
