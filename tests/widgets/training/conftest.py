"""The fine-tuning dock with a small script in place of a training."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.jobs import process
from napari_centermask.jobs.process import find_jobs

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A place for runs and models of its own."""
    from napari_centermask.widgets.training import close_guard

    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path))
    monkeypatch.setattr(close_guard, "ask", lambda window: "go on")
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / "picture.png")
    return tmp_path


@pytest.fixture
def data(tmp_path, cells):
    """Two annotated images."""
    folder = tmp_path / "cells"
    (folder / "images").mkdir(parents=True)
    records = []
    for n, name in enumerate(("a.png", "b.png"), start=1):
        path = folder / "images" / name
        Image.fromarray(np.random.default_rng(n).integers(0, 255, (128, 128), np.uint8)).save(path)
        records.append(ImageRecord(n, name, path, (128, 128), cells(n=6, shape=(128, 128), radius=9.0, seed=n)))
    write_coco(folder / "annotations.json", records)
    return folder


@pytest.fixture
def act(monkeypatch, jobs_at_once):
    """Let the next jobs run a script instead of a training."""
    from played_job import WORKS

    def play(script: str) -> None:
        monkeypatch.setattr(process, "command_line", lambda run: [sys.executable, "-c", script, str(run)])

    play(WORKS)
    return play


@pytest.fixture
def window(qtbot):
    """Builds docks in a window; they need napari's model of a viewer and none of its canvas."""
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QMainWindow

    from napari_centermask.widgets.training.dock import TrainDock

    windows = []  # Qt deletes a window that Python lets go

    def build(viewer=None):
        main = QMainWindow()
        windows.append(main)
        qtbot.addWidget(main)
        dock = TrainDock(viewer or ViewerModel())
        main.setCentralWidget(dock)
        main.show()
        return dock

    return build


@pytest.fixture
def train(window, home, data, act, qtbot):
    """The dock with a folder to train on; no job is left when the test ends."""
    dock = window()
    dock.add_folder(data)
    yield dock
    dock.training.end()
    for job in find_jobs(home / "runs"):
        job.kill()
    training = dock.training
    runners = training.watcher, training.runs, training.installer, dock.planner, dock.part.drawer, dock.part.look
    qtbot.waitUntil(lambda: not any(r.is_running for r in runners), timeout=20_000)


@pytest.fixture
def wait(train, qtbot):
    def until(condition):
        try:
            qtbot.waitUntil(lambda: bool(condition()), timeout=60_000)
        except TimeoutError:
            said = train.start.about.text(), train.progress.title.text(), train.failure.text.text()
            pytest.fail(f"{said}, planner {train.planner.is_running}, watcher {train.training.watcher.is_running}")

    return until


@pytest.fixture
def two_runs(train, wait):
    """An ended run in view, and one that works in the background."""
    from played_job import state

    train.start.start.click()
    wait(lambda: state(train) == "running")
    train.training.stop()
    wait(lambda: state(train) == "stopped" and not train.training.watcher.is_running)
    ended = train.training.job
    train.start.start.click()
    wait(lambda: state(train) == "running" and train.training.job.folder != ended.folder)
    working = train.training.job
    train.training.open(ended.folder)
    wait(lambda: train.training.job is not None and train.training.job.folder == ended.folder)
    wait(lambda: state(train) == "stopped")
    return ended, working


@pytest.fixture
def framed(home, data, act, qtbot):
    """The dock in a frame, as napari opens it, and the window around."""
    from napari.components import ViewerModel
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QDockWidget, QMainWindow

    from napari_centermask.widgets.training.dock import TrainDock

    main = QMainWindow()
    dock, frame = TrainDock(ViewerModel()), QDockWidget(main)
    frame.setWidget(dock)
    main.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, frame)
    main.show()
    dock.add_folder(data)
    training, planner = dock.training, dock.planner
    yield dock, frame, main
    training.end()
    with suppress(RuntimeError):  # the test has deleted it
        main.deleteLater()
    qtbot.waitUntil(lambda: not (training.runs.is_running or planner.is_running), timeout=20_000)
