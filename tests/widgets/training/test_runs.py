"""Runs on disk: those that are still training are found again."""

from __future__ import annotations

from played_job import OUTLIVES, state

pytestmark = OUTLIVES


def test_a_running_job_is_found_again(train, wait, window, qtbot):
    train.start.start.click()
    wait(lambda: state(train) == "running")
    folder = train.training.job.folder
    train.training.end()
    wait(lambda: not train.training.watcher.is_running)
    again = window()
    wait(lambda: again.training.job is not None and state(again) == "running")
    assert again.training.job.folder == folder
    assert again.runs.runs.currentData() == str(folder)
    again.training.stop()
    assert again.training.is_alive
    wait(lambda: state(again) == "stopped")
    assert again.progress_curves.curves.plots[0].lines
    qtbot.waitUntil(lambda: not again.training.watcher.is_running and not again.training.runs.is_running)


def test_no_second_training_starts_beside_one_in_the_background(train, wait, two_runs, notices):
    ended, working = two_runs
    assert not train.start.start.isEnabled()
    assert f"'{working.name}' is already running" in train.start.start.toolTip()
    (ended.folder / "last.pt").touch()
    train.training.retry()
    assert any("Another training is running" in text for text in notices())
    assert not ended.is_alive
    train._timer.setInterval(50)
    train._timer.start()
    working.stop()
    wait(train.start.start.isEnabled)
