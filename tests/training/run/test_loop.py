import csv
import errno
import io
import json
import math
import signal
import sys

import pytest
import torch
from safetensors.torch import load_file

from napari_centermask.core.errors import CannotSave, TrainingFailed
from napari_centermask.evaluation.training_curve import ap_points
from napari_centermask.events import write
from napari_centermask.models.store.checkpoint import load_model
from napari_centermask.models.store.registry import weights_hash
from napari_centermask.training.data.image_store import DECODED
from napari_centermask.training.run import loop, trainer, validate
from napari_centermask.training.run.loop import train
from napari_centermask.training.run.optimise import learning_rate
from napari_centermask.training.run.state import StateFiles
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


def test_a_run_reports_ap_over_steps_and_over_the_time_of_training(settings):
    run = events(settings, evaluate=lambda *_: {"AP": 0.25, "AP50": 0.5})
    scores = [e for e in run if e.event == "evaluation"]
    assert [e.training_seconds for e in scores] == sorted(e.training_seconds for e in scores)
    assert scores[-1].training_seconds > 0
    _, card = load_model(settings.out / "best.safetensors")
    points = ap_points(card.training["curves"])
    assert [(p.step, p.seconds) for p in points] == [(e.step, e.training_seconds) for e in scores]
    with (settings.out / "ap.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(int(r["step"]), float(r["seconds"])) for r in rows] == [(e.step, e.training_seconds) for e in scores]
    assert {(r["AP"], r["AP50"]) for r in rows} == {("0.25", "0.5")}
    assert (settings.out / "ap.png").is_file()


def test_a_table_that_cannot_be_written_does_not_make_a_finished_run_fail(settings, monkeypatch):
    def full(path, points):
        raise CannotSave(f"Cannot save {path}: no space left on the disk.")

    monkeypatch.setattr(loop, "write_csv", full)
    *_, notice, done = events(settings, evaluate=lambda *_: {"AP": 0.25})
    assert "ap.csv: no space left" in notice.message
    assert done.event == "done"
    assert done.model


def test_without_matplotlib_a_run_reports_the_table_alone(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    run = events(settings, evaluate=lambda *_: {"AP": 0.25})
    assert run[-1].event == "done"
    assert (settings.out / "ap.csv").is_file()
    assert not (settings.out / "ap.png").exists()


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


def interrupted(settings, *, at=None, **options):
    """The events of a run that a person stops, while the event of the stage `at` is shown."""
    run = []

    def follow():
        for event in train(settings, **options):
            run.append(event)
            if at is not None and getattr(event, "name", None) == at:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        follow()
    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_in_a_step_keeps_that_step(settings, monkeypatch, number):
    step, before = Trainer.step, signal.getsignal(number)

    def interrupted_step(self, *args, **options):
        if self.progress.step == 3:
            signal.raise_signal(number)
        return step(self, *args, **options)

    whole = events(settings.model_copy(update={"out": settings.out.with_name("whole")}), evaluate=zero)
    monkeypatch.setattr(Trainer, "step", interrupted_step)
    run = interrupted(settings, evaluate=zero)
    assert (run[-1].event, run[-1].step) == ("checkpoint", 4)
    assert signal.getsignal(number) is before
    monkeypatch.undo()
    resumed = events(settings.model_copy(update={"resume": True}), evaluate=zero)
    assert resumed[0].step == 4
    states = [torch.load(out / "last.pt")["average"] for out in (settings.out, settings.out.with_name("whole"))]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert whole[-1].step == resumed[-1].step == settings.steps


def test_an_interrupt_while_an_event_is_shown_keeps_the_steps_too(settings):
    assert interrupted(settings, at="evaluating", evaluate=zero)[-1].event == "checkpoint"
    assert torch.load(settings.out / "last.pt")["progress"]["step"] == settings.steps


def test_an_evaluation_that_was_interrupted_is_made_up_for(settings):
    def stop(*_):
        raise KeyboardInterrupt

    twice = settings.model_copy(update={"evaluate_every": 3})
    assert interrupted(twice, evaluate=stop)[-1].event == "checkpoint"
    resumed = twice.model_copy(update={"resume": True})
    assert interrupted(resumed, evaluate=stop)[-1].name == "evaluating"
    run = events(resumed, evaluate=lambda *_: {"AP": 0.3})
    assert [(e.step, e.better) for e in run if e.event == "evaluation"] == [(3, True), (6, False)]
    assert run[-1].model


def test_an_interrupt_before_the_first_step_keeps_nothing(settings, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "check_data", stop)
    assert interrupted(settings, evaluate=zero)[-1].event == "stage"
    assert not (settings.out / "last.pt").exists()


def test_an_interrupted_run_that_cannot_be_saved_says_from_where_it_goes_on(settings, monkeypatch):
    def full(self, state):
        raise CannotSave("No space left on the disk.")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(StateFiles, "write", full)
    said = interrupted(settings, evaluate=stop)[-1].message
    assert said == "The steps after 0 could not be saved: No space left on the disk. The run goes on from there."


def test_two_trainings_never_write_to_one_run_folder(settings):
    first = train(settings, evaluate=zero)
    next(first)
    before = {p.name: p.read_bytes() for p in settings.out.glob("*.json")}
    with pytest.raises(CannotSave, match=r"Another run \(process \d+\) is writing to"):
        events(settings.model_copy(update={"resume": True, "steps": 8}), evaluate=zero)
    assert {p.name: p.read_bytes() for p in settings.out.glob("*.json")} == before
    first.close()
    assert events(settings, evaluate=zero)[-1].step == settings.steps
    assert not list(settings.out.glob(".*"))


def test_a_run_that_its_time_limit_ends_says_so_and_can_go_on_without_the_limit(settings):
    short = settings.model_copy(update={"minutes": 1e-6, "steps": 8})
    run = events(short, evaluate=lambda *_: {"AP": 0.0})
    assert run[0].minutes == 1e-6
    assert (run[-1].limited, run[-1].stopped, run[-1].step) == (True, False, 1)
    assert any("after 1 of 8 steps" in e.message for e in run if e.event == "notice")
    longer = settings.model_copy(update={"minutes": None, "steps": 8, "resume": True})
    run = events(longer, evaluate=lambda *_: {"AP": 0.0})
    assert (run[0].step, run[-1].step, run[-1].limited) == (1, 8, False)


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


def curve_in_card(settings):
    _, card = load_model(settings.out / "best.safetensors")
    return [(point.step, point.AP) for point in ap_points(card.training["curves"])]


@pytest.mark.parametrize("ending", ["done", "stopped", "stale"])
def test_the_card_of_the_best_model_keeps_the_evaluations_after_it(settings, ending):
    """However the run ends; weights, figures and the hash by which models made from it know it are those of the best."""
    changes = {"done": {"steps": 3}, "stopped": {"steps": 1000}, "stale": {"steps": 1000, "patience": 2}}[ending]
    short = settings.model_copy(update={"evaluate_every": 1} | changes)
    best, kept, scores = settings.out / "best.safetensors", [], iter([0.5, 0.2, 0.4])
    for event in train(short, evaluate=lambda *_: {"AP": next(scores)}):
        if event.event == "evaluation":
            kept = kept or [weights_hash(best), load_file(best), load_model(best)[1]]
            if ending == "stopped" and event.step == 3:
                (settings.out / "stop").touch()
    assert event.event == "done"
    assert event.step == 3
    assert curve_in_card(settings) == [(1, 0.5), (2, 0.2), (3, 0.4)]
    digest, weights, card = kept
    now = load_file(best)
    assert now.keys() == weights.keys()
    assert all(torch.equal(now[name], value) for name, value in weights.items())
    _, new = load_model(best)
    without = {"training": {k: v for k, v in new.training.items() if k != "curves"}}
    assert new.model_copy(update=without) == card.model_copy(
        update={"training": {k: v for k, v in card.training.items() if k != "curves"}}
    )
    assert weights_hash(best) == digest
    child = settings.model_copy(update={"start": str(best)})
    assert Trainer(child).start.parent_sha256 == digest


def test_a_run_that_goes_on_adds_its_evaluations_to_the_card(settings):
    scores = iter([0.5, 0.2, 0.3])
    once = settings.model_copy(update={"evaluate_every": 1, "steps": 2})
    events(once, evaluate=lambda *_: {"AP": next(scores)})
    digest = weights_hash(settings.out / "best.safetensors")
    events(once.model_copy(update={"steps": 3, "resume": True}), evaluate=lambda *_: {"AP": next(scores)})
    assert curve_in_card(settings) == [(1, 0.5), (2, 0.2), (3, 0.3)]
    assert weights_hash(settings.out / "best.safetensors") == digest


def test_a_card_that_cannot_be_completed_does_not_make_a_finished_run_fail(settings, monkeypatch):
    def full(path, card):
        raise CannotSave(f"Cannot save {path}: no space left on the disk.")

    monkeypatch.setattr(validate, "replace_card", full)
    scores = iter([0.5, 0.2])
    twice = settings.model_copy(update={"evaluate_every": 3})
    *_, notice, done = events(twice, evaluate=lambda *_: {"AP": next(scores)})
    assert "best.safetensors: no space left" in notice.message
    assert done.model
    assert curve_in_card(settings) == [(3, 0.5)]


def test_the_rate_warms_up_and_decays(settings):
    rates = [learning_rate(settings, step, step / 100) for step in range(100)]
    assert rates[0] < rates[1] == max(rates)
    assert rates[-1] < 0.01 * settings.learning_rate
    short = settings.model_copy(update={"warmup": 500})  # its minutes are over before
    assert learning_rate(short, 4, 0.05) == pytest.approx(0.5 * learning_rate(settings, 4, 0.05))
    assert learning_rate(short, 9, 0.1) == learning_rate(settings, 9, 0.1)
    stepped = settings.model_copy(update={"schedule": "step"})
    assert learning_rate(stepped, 90, 0.7) == pytest.approx(0.1 * settings.learning_rate)


def zero(*_):
    return {"AP": 0.0}


def test_stop_ends_with_a_model_and_is_not_remembered(settings):
    steps = settings.model_copy(update={"steps": 1000, "images_in_memory_mb": 0})
    seen = []
    for event in train(steps, evaluate=zero):
        seen.append(event)
        if event.event == "stage" and event.name == "training":
            (settings.out / "pause").touch()
        if event.event == "paused":
            (settings.out / "stop").touch()
    assert [e.event for e in seen if e.event in ("paused", "resumed")] == ["paused", "resumed"]
    assert seen[-1].event == "done"
    assert seen[-1].stopped
    assert seen[-1].step == 1
    assert (settings.out / "best.safetensors").exists()
    assert not (settings.out / "stop").exists()
    assert list((settings.out / DECODED).iterdir())  # for when it is resumed


def test_a_stopped_run_is_saved_before_it_is_evaluated(settings, monkeypatch):
    monkeypatch.setattr(loop, "REPORT_EVERY", 1)
    saved = []

    def score(*_):
        saved.append((settings.out / "last.pt").exists())
        return {"AP": 0.0}

    for event in train(settings.model_copy(update={"steps": 1000}), evaluate=score):
        if event.event == "step":
            (settings.out / "stop").touch()
    assert saved == [True]
    assert event.stopped


def test_a_run_that_no_longer_improves_ends(settings):
    patient = settings.model_copy(update={"steps": 1000, "evaluate_every": 1, "patience": 2})
    run = list(train(patient, evaluate=lambda *_: {"AP": 0.3}))
    assert run[-1].step == 3  # the first evaluation is the best
    assert not run[-1].stopped
    assert any("not improved" in getattr(e, "message", "") for e in run)


def test_a_run_that_finds_nothing_at_first_goes_on_and_its_last_model_is_kept(settings):
    scores = iter([0.0, 0.0, 0.0, 0.0, 0.2])
    patient = settings.model_copy(update={"steps": 5, "evaluate_every": 1, "patience": 2})
    run = list(train(patient, evaluate=lambda *_: {"AP": next(scores)}))
    assert run[-1].step == 5
    assert load_model(settings.out / "best.safetensors")[1].metrics["val"]["AP"] == 0.2


def test_of_models_that_find_nothing_the_last_is_kept(settings):
    events(settings.model_copy(update={"steps": 3, "evaluate_every": 1}), evaluate=zero)
    assert load_model(settings.out / "best.safetensors")[1].training["steps"] == 3


@pytest.fixture
def short_of_memory(monkeypatch):
    """Steps with more than a number of tiles fail as PyTorch's allocator does."""

    def limit(tiles):
        step = Trainer.step

        def guarded(self, images, truths, **options):
            if len(images) > tiles:
                raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
            return step(self, images, truths, **options)

        monkeypatch.setattr(Trainer, "step", guarded)

    return limit


def test_the_batch_is_halved_once_and_said(settings, short_of_memory):
    short_of_memory(1)
    run = list(train(settings, evaluate=zero))
    (notice,) = [e for e in run if e.event == "notice"]
    assert notice.batch == 1
    assert run[-1].step == settings.steps


def test_a_full_disk_leaves_the_checkpoint_before_and_is_explained(settings, monkeypatch):
    list(train(settings, evaluate=zero))
    before = (settings.out / "last.pt").read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(trainer.torch, "save", full)
    with pytest.raises(TrainingFailed, match="disk") as failed:
        list(train(settings.model_copy(update={"steps": 8, "resume": True}), evaluate=zero))
    assert failed.value.reason == "disk"
    assert (settings.out / "last.pt").read_bytes() == before
    assert not list(settings.out.glob("*.part"))


def test_a_damaged_checkpoint_falls_back_to_the_one_before(settings):
    list(train(settings.model_copy(update={"evaluate_every": 3}), evaluate=zero))
    (settings.out / "last.pt").write_bytes(b"damaged")
    resumed = settings.model_copy(update={"resume": True})
    run = list(train(resumed, evaluate=zero))
    assert run[0].step == 3
    assert "damaged" in run[1].message
    assert run[-1].step == settings.steps


@pytest.mark.parametrize("mb", [0, 1000])
def test_a_data_folder_that_goes_away_does_not_matter_while_training(settings, folder, mb):
    settings = settings.model_copy(update={"images_in_memory_mb": mb})
    for event in train(settings, evaluate=zero):
        if event.event == "stage" and event.name == "training" and folder.exists():
            folder.rename(folder.with_name("unplugged"))
    assert event.event == "done"
    assert not (settings.out / DECODED).exists()


def test_steps_tell_time_memory_and_rate(settings):
    step = next(e for e in train(settings, evaluate=zero) if e.event == "step")
    assert step.memory_mb > 10
    assert step.seconds_left >= 0
    assert math.isfinite(step.losses["loss_mask"])


def test_a_step_that_overflowed_is_left_out_of_the_means(settings, monkeypatch):
    step, norms = Trainer.step, iter([math.inf, 2.0, math.nan, math.inf])
    monkeypatch.setattr(Trainer, "step", lambda *a, **o: step(*a, **o) | {"gradient_norm": next(norms)})
    monkeypatch.setattr(loop, "REPORT_EVERY", 2)
    monkeypatch.setattr(loop, "REPORT_SECONDS", math.inf)
    short = settings.model_copy(update={"steps": 4})
    said = [e for e in train(short, evaluate=zero) if e.event == "step"]
    for event in said:
        write(event, io.StringIO())
    assert said[0].gradient_norm == 2.0
    assert said[1].gradient_norm is None
    assert math.isfinite(said[1].losses["loss_mask"])


def test_a_searched_rate_is_used_and_kept(settings):
    run = list(train(settings.model_copy(update={"find_rate": True}), evaluate=zero))
    (notice,) = [e for e in run if e.event == "notice"]
    kept = type(settings).model_validate_json((settings.out / "run.json").read_text())
    assert 1e-7 < kept.learning_rate < 0.1
    assert not kept.find_rate
    assert len(notice.rates) == len(notice.losses)
    assert run[-1].step == settings.steps


def test_the_start_model_is_evaluated_first(settings, monkeypatch):
    list(train(settings, evaluate=zero))
    tuned = settings.model_copy(
        update={
            "start": str(settings.out / "best.safetensors"),
            "out": settings.out.with_name("tuned"),
            "evaluate_first": True,
            "freeze": "early",
            "layer_decay": 0.5,
            "replay": settings.data,
            "tensorboard": True,
        }
    )
    before = Trainer(tuned).model.state_dict()
    run = list(train(tuned, evaluate=zero))
    first, *_ = [e for e in run if e.event == "evaluation"]
    assert (first.step, first.better) == (0, False)
    after = torch.load(tuned.out / "last.pt", weights_only=True)["model"]
    moved = {k for k, v in after.items() if v.is_floating_point() and not torch.equal(v, before[k].to(v.dtype))}
    assert not [k for k in moved if ".stem." in k or ".stage2." in k or ".stage3." in k]
    assert any(".stage5." in k for k in moved)
    assert any("fcos_head" in k for k in moved)
    assert list(tuned.out.glob("events.out.tfevents.*"))


def test_a_run_that_goes_on_in_the_same_process_decodes_its_images_again(settings):
    on_disk = settings.model_copy(update={"images_in_memory_mb": 0, "steps": 2, "evaluate_every": 2})
    assert events(on_disk)[-1].event == "done"
    assert not (settings.out / DECODED).exists()
    assert events(on_disk.model_copy(update={"steps": 4, "resume": True}))[-1].step == 4
