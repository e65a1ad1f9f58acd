"""Closing the window during a training."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from played_job import OUTLIVES, state

from napari_centermask.jobs.process import Job
from napari_centermask.widgets.work import task_status

pytestmark = OUTLIVES


@pytest.fixture
def tasks(monkeypatch):
    """napari's list of tasks."""
    tasks = pytest.importorskip("napari.utils.task_status").TaskStatusManager()
    window = SimpleNamespace(
        _register_task_status=tasks.register_task_status, _update_task_status=tasks.update_task_status
    )
    monkeypatch.setattr(task_status, "_window", lambda: window)
    return tasks


@pytest.mark.parametrize(("answer", "closes"), [("go on", True), ("stop", True), ("stay", False)])
def test_closing_the_window_asks_what_becomes_of_the_job(train, wait, monkeypatch, tasks, answer, closes):
    from qtpy.QtGui import QCloseEvent
    from qtpy.QtWidgets import QApplication

    from napari_centermask.widgets.training import close_guard

    train.start.start.click()
    wait(lambda: state(train) == "running")
    monkeypatch.setattr(close_guard, "ask", lambda window: answer)
    (guard,) = train.window().findChildren(close_guard.CloseGuard)
    assert tasks.get_status() == [f"CenterMask: fine-tuning {train.training.job.name}"]
    event = QCloseEvent()
    assert guard.eventFilter(train.window(), event) is not closes
    assert tasks.is_busy() is not closes  # or napari would ask again
    QApplication.processEvents()
    if answer == "stop":
        wait(lambda: state(train) == "stopped")
    else:
        assert Job.open(train.training.job.folder).is_alive


def test_closing_the_window_asks_about_a_training_in_the_background_too(train, wait, two_runs, monkeypatch):
    from qtpy.QtGui import QCloseEvent

    from napari_centermask.widgets.training import close_guard

    _, working = two_runs
    (guard,) = train.window().findChildren(close_guard.CloseGuard)
    monkeypatch.setattr(close_guard, "ask", lambda window: "stay")
    assert guard.eventFilter(train.window(), QCloseEvent())
    monkeypatch.setattr(close_guard, "ask", lambda window: "stop")
    assert not guard.eventFilter(train.window(), QCloseEvent())
    wait(lambda: not working.is_alive)
    assert Job.open(working.folder).state == "stopped"


def test_a_floating_dock_is_not_a_window_to_guard(framed):
    from napari_centermask.widgets.training import close_guard

    dock, frame, main = framed
    frame.setFloating(True)
    dock.hide()
    dock.show()
    assert dock.window() is frame
    assert len(main.findChildren(close_guard.CloseGuard)) == 1
    assert next(iter(main.findChildren(close_guard.CloseGuard))).parent() is main
