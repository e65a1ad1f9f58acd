"""The fine-tuning dock with a small script in place of a training: what a person sees and does."""

from __future__ import annotations

import sys

from played_job import COMPARES, FAILS, OUTLIVES, comparison, installing, state

pytestmark = OUTLIVES


def test_one_click_starts_a_training_that_is_seen_to_work(train, wait):
    train.start.start.click()
    wait(lambda: len(train.training.state.scores.get("AP", [1]).steps if train.training.state.scores else []) > 1)
    assert state(train) == "running"
    assert "step" in train.progress.title.text()
    assert "left" in train.progress.title.text()
    assert "cpu" in train.progress.machine.text()
    assert train.progress_curves.picture.image.width() == 60
    losses, scores = train.progress_curves.curves.plots
    wait(lambda: scores.lines)  # drawn at most four times a second
    assert set(losses.lines) == {"box", "mask"}
    assert set(scores.lines) == {"AP", "AP50"}
    assert not train.start.start.isEnabled()
    assert "is already running" in train.start.start.toolTip()
    assert not {"torch", "torchvision"} & set(sys.modules)


def test_pause_resume_and_stop(train, wait):
    train.start.start.click()
    wait(lambda: state(train) == "running")
    train.progress.pause.click()
    wait(lambda: state(train) == "paused")
    assert train.progress.pause.text() == "Resume"
    train.progress.pause.click()
    wait(lambda: state(train) == "running")
    train.progress.stop.click()
    wait(lambda: state(train) == "stopped")
    assert train.training.latest.model.name == "best.safetensors"
    assert not train.progress.stop.isEnabled()
    assert train.start.start.isEnabled()


def test_discarding_asks_and_leaves_nothing(train, wait, home, monkeypatch):
    from qtpy.QtWidgets import QMessageBox

    train.start.start.click()
    wait(lambda: state(train) == "running")
    folder = train.training.job.folder
    monkeypatch.setattr(QMessageBox, "question", lambda *args: QMessageBox.StandardButton.Cancel)
    train.progress.discard.click()
    assert folder.exists()
    monkeypatch.setattr(QMessageBox, "question", lambda *args: QMessageBox.StandardButton.Discard)
    train.progress.discard.click()
    wait(lambda: not folder.exists() and train.start.start.isEnabled())  # the dock learns it after the worker
    assert train.training.job is None


def test_an_earlier_session_s_verdict_does_not_stand_for_a_model_that_changed_since(
    train, wait, act, home, monkeypatch
):
    from qtpy.QtWidgets import QMessageBox

    comparison(home, recommended=True)
    act(COMPARES)
    train.start.start.click()
    wait(lambda: state(train) == "done" and train.comparison.compared)
    act(FAILS)
    train.training.retry()
    wait(lambda: state(train) == "failed" and train.failure.buttons)
    assert train.training.latest.model.exists()
    assert train.comparison.compared is None
    asked = []
    monkeypatch.setattr(QMessageBox, "question", lambda *args: asked.append(args[2]) or QMessageBox.StandardButton.No)
    train.new_model.install.click()
    assert asked == ["The new model was not compared with the one that it started from. Install it anyway?"]
    train.training.open(train.training.job.folder)  # and when it is replayed
    wait(lambda: state(train) == "failed" and not train.training.watcher.is_running)
    assert train.training.comparison is None


def test_a_dock_that_is_opened_again_shows_what_came_of_the_run(train, wait, act, home, window, monkeypatch):
    from napari_centermask.widgets.training import new_model

    comparison(home, recommended=True)
    monkeypatch.setattr(new_model, "run_child", installing([]))
    act(COMPARES)
    train.start.start.click()
    wait(lambda: state(train) == "done" and not train.training.watcher.is_running)
    again = window(train._viewer)
    assert again.comparison.verdict.text() == "The new model is better."
    assert again.progress_curves.picture.image.width() == 60
    assert not again.new_model.predict.isEnabled()
    again.new_model.install.click()
    wait(lambda: again.training.installed)
    third = window(train._viewer)
    assert third.new_model.predict.isEnabled()
    assert third.new_model.name.text() == again.training.installed
    assert not third.new_model.install.isEnabled()


def test_a_dock_that_is_opened_again_shows_why_the_run_failed(train, wait, act, window):
    act(FAILS)
    train.start.start.click()
    wait(lambda: train.failure.buttons)
    again = window(train._viewer)
    assert again.failure.text.text() == train.failure.text.text()
    assert [b.text() for b in again.failure.buttons] == [b.text() for b in train.failure.buttons]
