"""Runs are in napari's list of tasks while they last."""

from __future__ import annotations

import threading

import pytest

from napari_centermask.widgets.work import task_status
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.task_status import TaskStatus


@pytest.fixture
def tasks(make_napari_viewer):
    """What napari lists at the moment."""
    window = make_napari_viewer().window
    if not hasattr(window, "_register_task_status"):
        pytest.skip("this napari has no list of tasks")
    return window._task_status_manager.get_status


def test_a_run_is_listed_by_its_name_until_it_ends(tasks, qtbot):
    runner, gate = Runner(), threading.Event()

    def work():
        gate.wait(30)
        yield
        return 1

    runner.start("CenterMask: field.tif", work)
    assert tasks() == ["CenterMask: field.tif"]
    gate.set()
    qtbot.waitUntil(lambda: not runner.is_running, timeout=30_000)
    assert tasks() == []


def test_a_task_can_be_updated_and_cancelled(tasks, make_napari_viewer):
    cancelled = []
    task = TaskStatus("fine-tuning nuclei", lambda: cancelled.append(True))
    task.update("fine-tuning nuclei, comparing")
    assert tasks() == ["CenterMask: fine-tuning nuclei, comparing"]
    tasks.__self__.cancel_all()
    assert cancelled == [True]
    task.end("CANCELLED")
    task.end()
    assert tasks() == []


def test_without_such_a_list_nothing_happens(monkeypatch):
    monkeypatch.setattr(task_status, "_window", lambda: None)
    task = TaskStatus("fine-tuning nuclei")
    task.update("fine-tuning nuclei, comparing")
    task.end()
