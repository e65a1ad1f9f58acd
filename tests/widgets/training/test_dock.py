"""The fine-tuning dock with a small script in place of a training: what a person sees and does."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_centermask.events import EvaluationEvent, StepEvent
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.jobs import process
from napari_centermask.jobs.process import Job, find_jobs
from napari_centermask.settings import TrainSettings

# A job outlives whoever started it; Popen warns of that.
pytestmark = [
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*Popen.__del__:pytest.PytestUnraisableExceptionWarning"),
]

SCRIPT = """
import json, math, sys, time
from pathlib import Path
out = Path(json.loads(Path(sys.argv[1]).read_text())["out"])
def say(kind, **fields):
    print(json.dumps({"event": kind, "time": time.time(), **fields}), flush=True)
say("start", out=str(out), step=0, steps=1000, batch=4, tile=256, device="cpu", precision="float32", parameters=5)
say("stage", name="training")
step = 0
while not (out / "stop").exists() and step < STEPS:
    step += 10
    say("step", step=step, part=step / 1000, seconds=step, seconds_left=1000 - step, memory_mb=850.0,
        loss_box=1 / step, loss_mask=2 / step)
    if step % 50 == 0:
        say("evaluation", step=step, AP=0.3 + step / 5000, AP50=0.5, better=True, per_folder={},
            samples=[{"image": "one.png", "picture": str(out.parent.parent / "picture.png")}])
        (out / "best.safetensors").touch()
    if (out / "pause").exists():
        say("paused", step=step)
        while (out / "pause").exists():
            time.sleep(0.02)
        say("resumed", step=step)
    time.sleep(0.02)
END
"""
WORKS = SCRIPT.replace("STEPS", "10**6").replace(
    "END", 'say("done", step=step, best=0.4, out=str(out), stopped=True, model=str(out / "best.safetensors"))'
)
SHORT = SCRIPT.replace("STEPS", "100").replace(
    "END", 'say("done", step=step, best=0.4, out=str(out), stopped=False, model=str(out / "best.safetensors"))'
)
FAILS = SCRIPT.replace("STEPS", "30").replace(
    "END",
    '(out / "last.pt").touch(); say("failed", message="The memory does not suffice.", reason="memory",'
    ' remedy={"batch": 2, "tile": 384})',
)


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
def act(monkeypatch):
    """Let the next jobs run a script instead of a training."""

    def play(script: str) -> None:
        monkeypatch.setattr(process, "command_line", lambda run: [sys.executable, "-c", script, str(run)])

    monkeypatch.setitem(Job.start.__func__.__kwdefaults__, "nice", 0)  # a loaded machine would let it wait for minutes
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
    """The dock with a folder to learn from; no job is left when the test ends."""
    dock = window()
    dock.add_folder(data)
    yield dock
    dock.training.end()
    for job in find_jobs(home / "runs"):
        job.kill()
    training = dock.training
    runners = training.watcher, training.runs, training.installer, dock.planner
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


def state(dock) -> str:
    return dock.training.state.state


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


def test_what_cannot_be_planned_says_why_and_leaves_nothing(home, data):
    from napari_centermask.widgets.training.plan import DataFolder, plan, user_runs
    from napari_centermask.widgets.work.tasks import Failed

    steps = plan(DataFolder(data), "nuclei")
    next(steps)
    steps.close()  # as another choice does
    assert not list(user_runs().glob("*"))
    ended = []

    def to_the_end():
        ended.append((yield from plan(DataFolder(home), "nuclei")))

    list(to_the_end())
    assert isinstance(ended[0], Failed)
    assert "annotations.json" in ended[0].message
    assert not list(user_runs().glob("*"))


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
    wait(lambda: not folder.exists() and train.training.job is None)
    assert train.start.start.isEnabled()


def test_a_failure_is_explained_with_its_remedy_as_a_button(train, wait, act):
    act(FAILS)
    train.start.start.click()
    wait(lambda: train.failure.buttons)
    assert "memory" in train.failure.text.text()
    titles = [b.text() for b in train.failure.buttons]
    assert titles == ["Try again with batch 2, tile 384", "Continue from the last checkpoint"]
    act(WORKS)
    train.failure.buttons[0].click()
    wait(lambda: state(train) == "running")
    settings = Job.open(train.training.job.folder).settings
    assert (settings.batch, settings.tile, settings.resume) == (2, 384, True)
    assert not train.failure.buttons


def test_a_change_in_the_form_reaches_the_run_file_and_the_rest_stays_computed(train, wait):
    train.advanced.fold.expand(animate=False)
    wait(lambda: train.plan is not None)
    assert "cells in" in train.start.about.text()
    train.advanced.form.training.rows["batch"].control.value = 3
    train.advanced.form.groups["augment"].rows["flip"].control.value = False
    planned = train.plan.settings
    train.start.start.click()
    wait(lambda: state(train) == "running")
    settings = Job.open(train.training.job.folder).settings
    assert (settings.batch, settings.augment.flip) == (3, False)
    assert settings.learning_rate == planned.learning_rate
    assert settings.steps == planned.steps
    assert len(list(train.source.runs.iterdir())) == 1  # the copy of the data that was made for looking is gone


def test_a_wrong_number_in_the_form_starts_nothing_and_a_right_one_does(train, wait):
    train.advanced.fold.expand(animate=False)
    wait(lambda: train.plan is not None)
    tile = train.advanced.form.training.rows["tile"].control
    tile.value = 100
    train.start.start.click()
    wait(lambda: not train.planner.is_running)
    assert "multiple of 32" in train.start.about.text()
    assert train.training.job is None
    assert not train.training.watcher.is_running
    assert list(train.source.runs.iterdir()) == []
    tile.value = 128
    train.start.start.click()
    wait(lambda: state(train) == "running")
    assert Job.open(train.training.job.folder).settings.tile == 128
    assert "tiles of 128 px" in train.start.about.text()


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


@pytest.mark.parametrize(("answer", "closes"), [("go on", True), ("stop", True), ("stay", False)])
def test_closing_the_window_asks_what_becomes_of_the_job(train, wait, monkeypatch, answer, closes):
    from qtpy.QtGui import QCloseEvent
    from qtpy.QtWidgets import QApplication

    from napari_centermask.widgets.training import close_guard

    train.start.start.click()
    wait(lambda: state(train) == "running")
    monkeypatch.setattr(close_guard, "ask", lambda window: answer)
    (guard,) = train.window().findChildren(close_guard.CloseGuard)
    event = QCloseEvent()
    assert guard.eventFilter(train.window(), event) is not closes
    QApplication.processEvents()
    if answer == "stop":
        wait(lambda: state(train) == "stopped")
    else:
        assert Job.open(train.training.job.folder).is_alive


def comparison(folder: Path, *, recommended: bool) -> None:
    """What a training writes at its end."""
    figures = {"bioimage_ap_mean": 0.4, "bioimage_ap": {"0.50": 0.6}, "coco": {"AP": 0.3}, "f1": 0.7, "pq": None}
    figures |= {"overlap": {"recall50": 0.5, "mean_iou": 0.6}}
    better = figures | {"bioimage_ap_mean": 0.45, "f1": 0.75}
    picture = str(folder / "picture.png")
    row = {
        "name": "one.png",
        "n_truth": 9,
        "f1_old": 0.5,
        "f1_new": 0.8,
        "picture_old": picture,
        "picture_new": picture,
    }
    verdict = {"recommended": recommended, "difference": 0.05 if recommended else -0.05, "interval": [0.01, 0.09]}
    verdict |= {
        "luck": 0.01,
        "unit": "images",
        "sentence": "The new model is better." if recommended else "It is worse.",
    }
    values = {"old": figures, "new": better, "verdict": verdict, "per_image": [row, {"name": "two.png", "n_truth": 3}]}
    (folder / "comparison.json").write_text(json.dumps(values))


COMPARES = SHORT.replace(
    'say("done"',
    'say("comparison", path=str(out.parent.parent / "comparison.json"), recommended=True, sentence=""); say("done"',
)


def installing(installed: list):
    """Stands for the child that installs a model; notes its file and its name."""

    def run_child(arguments):
        yield
        assert arguments[:2] == ["models", "add"]
        installed.append((Path(arguments[2]), arguments[4]))
        return ""

    return run_child


def test_both_models_are_shown_side_by_side_and_one_button_installs(train, wait, act, home, monkeypatch):
    from napari_centermask.widgets.training import new_model

    comparison(home, recommended=True)
    installed = []
    monkeypatch.setattr(new_model, "run_child", installing(installed))
    act(COMPARES)
    train.start.start.click()
    wait(lambda: state(train) == "done" and train.new_model.isVisible())
    box = train.comparison
    assert box.verdict.text() == "The new model is better."
    assert "+0.010 to +0.090" in box.chance.text()
    rows = [[box.figures.topLevelItem(i).text(c) for c in range(4)] for i in range(box.figures.topLevelItemCount())]
    assert rows[0] == ["Bioimage AP, mean .50–.90", "0.400", "0.450", "+0.050"]
    assert rows[4] == ["Panoptic quality", "–", "–", "–"]
    assert [p.image.width() for p in box.pictures] == [60, 60]
    assert not train.new_model.predict.isEnabled()
    assert installed == []  # nothing is installed by itself
    train.new_model.install.click()
    wait(lambda: train.training.installed)
    assert installed == [(train.training.latest.model, train.training.job.folder.name)]
    assert train.new_model.predict.isEnabled()
    assert not train.new_model.install.isEnabled()


def test_a_worse_model_is_installed_only_after_a_question(train, wait, act, home, monkeypatch):
    from qtpy.QtWidgets import QMessageBox

    comparison(home, recommended=False)
    act(COMPARES)
    train.start.start.click()
    wait(lambda: state(train) == "done" and train.new_model.isVisible())
    asked = []
    monkeypatch.setattr(QMessageBox, "question", lambda *args: asked.append(args[2]) or QMessageBox.StandardButton.No)
    train.new_model.install.click()
    assert asked == ["It is worse. Install it anyway?"]
    assert not train.training.installer.is_running
    assert not train.training.installed


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"per_image": 3, "verdict": {}}', '{"per_image": [], "verdict": {"sentence": 1}}']
)
def test_a_damaged_comparison_is_left_out(tmp_path, text):
    from napari_centermask.widgets.training.comparison import read_comparison

    (tmp_path / "comparison.json").write_text(text)
    assert read_comparison(tmp_path / "comparison.json") is None


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


@pytest.fixture
def two_runs(train, wait):
    """An ended run in view, and one that works in the background."""
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


def test_a_floating_dock_is_not_a_window_to_guard(framed):
    from napari_centermask.widgets.training import close_guard

    dock, frame, main = framed
    frame.setFloating(True)
    dock.hide()
    dock.show()
    assert dock.window() is frame
    assert len(main.findChildren(close_guard.CloseGuard)) == 1
    assert next(iter(main.findChildren(close_guard.CloseGuard))).parent() is main


@pytest.mark.parametrize("closed", ["dock", "window"])
def test_a_plan_that_nobody_started_goes_with_its_dock(framed, qtbot, home, closed):
    dock, frame, main = framed
    dock.advanced.fold.expand(animate=False)
    qtbot.waitUntil(lambda: dock.plan is not None, timeout=60_000)
    assert list((home / "runs").iterdir())
    if closed == "dock":
        dock.setParent(None)  # as napari does
        frame.deleteLater()
    else:
        main.deleteLater()
    qtbot.waitUntil(lambda: not list((home / "runs").iterdir()), timeout=5_000)


def test_a_plan_in_the_making_goes_with_its_dock(framed, qtbot, home):
    dock, frame, _ = framed
    planner = dock.planner
    dock.advanced.fold.expand(animate=False)
    assert planner.is_running
    dock.setParent(None)
    frame.deleteLater()
    qtbot.waitUntil(lambda: not planner.is_running, timeout=20_000)
    qtbot.waitUntil(lambda: not list((home / "runs").glob("*")), timeout=5_000)


def test_the_start_model_is_the_one_in_use_until_another_is_chosen(train, wait, act, home, monkeypatch):
    from napari_centermask.models.store import zoo
    from napari_centermask.widgets.training import new_model

    known = zoo.find_model("nuclei")
    names = ["nuclei", "mine", "other"]
    monkeypatch.setattr(zoo, "list_models", lambda: [replace(known, name=name) for name in names])
    installed = []
    monkeypatch.setattr(new_model, "run_child", installing(installed))
    monkeypatch.setattr(zoo, "list_models", lambda: [replace(known, name=n) for n in names + [n for _, n in installed]])
    models, in_use = train.start.models, train.training.in_use
    in_use.choose("mine")
    assert models.currentText() == "mine"
    in_use.choose("graphs without weights")
    assert models.currentText() == "mine"
    models.setCurrentText("nuclei")
    models.activated.emit(models.currentIndex())  # a person chooses
    in_use.choose("other")
    assert models.currentText() == "nuclei"
    comparison(home, recommended=True)
    act(COMPARES)
    train.start.start.click()
    wait(lambda: state(train) == "done" and train.new_model.isVisible())
    train.new_model.install.click()
    wait(lambda: train.training.installed)
    assert models.currentText() == in_use.name == train.training.installed


def test_curves_are_drawn_at_most_four_times_a_second(qtbot):
    from napari_centermask.widgets.parts.curves import Curves
    from napari_centermask.widgets.work.run_state import RunState

    curves, run = Curves(), RunState()
    qtbot.addWidget(curves)
    start = time.monotonic()
    while (seconds := time.monotonic() - start) < 1.1:
        run.feed(StepEvent(step=run.step + 1, losses={"loss": 1.0}))
        curves.show_state(run)
        qtbot.wait(10)
    assert 2 <= curves.redraws <= 4 * seconds + 1
    assert curves.plots[0].lines["loss"].getData()[0][-1] > 10


def test_a_step_draws_the_window_once_and_only_what_is_new(qtbot):
    from qtpy.QtCore import QEvent, QObject

    from napari_centermask.widgets.parts.curves import Curves
    from napari_centermask.widgets.work.run_state import RunState

    class Paints(QObject):
        def eventFilter(self, watched, event):
            if event.type() == QEvent.Type.Paint:
                names.append(seen[watched])
            return False

    curves, run, names, paints = Curves(), RunState(steps=100), [], Paints()
    qtbot.addWidget(curves)
    seen = {curves.plots[0].widget.viewport(): "losses", curves.plots[1].widget.viewport(): "scores"}
    with qtbot.waitExposed(curves):
        curves.show()
    run.feed(EvaluationEvent(step=1, AP=0.1))
    for widget in seen:
        widget.installEventFilter(paints)
    for step in (1, 2, 3):
        names.clear()
        run.feed(StepEvent(step=step, losses={"loss": 0.5**step}))
        curves.show_state(run)
        qtbot.wait(2 * curves._timer.interval())
    assert names == ["losses"]


def test_an_earlier_session_that_got_further_is_cut_back():
    from napari_centermask.widgets.work.run_state import RunState

    run = RunState()
    for step in (10, 20, 30, 20, 30):
        run.feed(StepEvent(step=step, losses={"loss": step / 10}, part=2))
    assert run.losses["loss"].steps == [10, 20, 30]
    assert run.seconds_left is None
    assert run.part == 1.0


def test_settings_of_the_form_are_all_fields_that_no_other_control_has():
    from napari_centermask.widgets.training.form import shown_fields

    elsewhere = {"data", "out", "start", "model", "augment", "resume", "weights", "replay"}
    of_the_model = {"channel_names", "preprocess", "normalisation", "losses"}
    assert set(TrainSettings.model_fields) - set(shown_fields()) == (elsewhere | of_the_model) & set(
        TrainSettings.model_fields
    )
