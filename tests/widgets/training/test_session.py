"""Requests about the run in view are carried out one after another; only opening one gives way."""

from __future__ import annotations

import pytest

from napari_centermask.widgets.training import session as module
from napari_centermask.widgets.training.run_watch import RunUpdate
from napari_centermask.widgets.training.session import Training
from napari_centermask.widgets.viewer.state import ModelInUse


class FakeJob:
    """A job that runs until it is deleted."""

    made: dict = {}

    def __init__(self, folder):
        self.folder, self.name, self.is_alive = folder, folder.name, True

    @classmethod
    def open(cls, folder, place=None):
        return cls.made.setdefault(folder, cls(folder))

    start = open

    def discard(self):
        self.is_alive = False


@pytest.fixture
def training(qtbot, monkeypatch):
    """A viewer's training with jobs that are played; nothing is watched when the test ends."""

    def watch(begin):
        job = begin()
        if job is None:
            return
        yield job
        while job.is_alive:
            yield RunUpdate(job.folder, (), "running")

    monkeypatch.setattr(FakeJob, "made", {})
    monkeypatch.setattr(module, "Job", FakeJob)
    monkeypatch.setattr(module, "watch", watch)
    training = Training(ModelInUse())
    yield training
    for job in FakeJob.made.values():
        job.is_alive = False
    training.end()
    qtbot.waitUntil(lambda: not training.watcher.is_running)


@pytest.fixture
def shows(training, qtbot):
    def wait(folder):
        qtbot.waitUntil(lambda: training.job is not None and training.job.folder == folder and training.is_alive)

    return wait


@pytest.mark.parametrize("watched", [True, False])
def test_a_run_is_discarded_though_another_is_chosen_at_once(training, shows, tmp_path, watched, qtbot):
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    training.open(one)
    shows(one)
    if not watched:
        training.job.is_alive = False
        qtbot.waitUntil(lambda: not training.watcher.is_running)
        training.job.is_alive = True
    training.discard()
    training.open(two)
    training.open(three)
    shows(three)
    assert not FakeJob.made[one].is_alive
    assert two not in FakeJob.made  # only the last one that was opened counts


def test_a_training_starts_though_another_run_is_chosen_at_once(training, shows, tmp_path):
    training.start(tmp_path / "new")
    training.open(tmp_path / "old")
    shows(tmp_path / "old")
    assert [job.name for job in training.others] == ["new"]


@pytest.mark.parametrize(("is_limited", "changes"), [(True, {"minutes": None}), (False, {})])
def test_a_run_that_its_time_limit_ended_goes_on_without_the_limit(training, monkeypatch, is_limited, changes):
    asked = []
    monkeypatch.setattr(training, "retry", lambda **changes: asked.append(changes))
    training.state.is_limited = is_limited
    training.resume()
    assert asked == [changes]
