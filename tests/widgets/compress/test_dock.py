"""The Compress dock: it runs the command in a child process, shows the table as it grows, cancels, and fits a narrow column."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMainWindow

from napari_centermask.core.errors import UserError
from napari_centermask.models.store.zoo import user_folder
from napari_centermask.widgets.compress import tasks
from napari_centermask.widgets.compress.dock import CompressDock
from napari_centermask.widgets.compress.tasks import Outcome, Table

NAMES = "napari_centermask.widgets.compress.dock"


def row(step, latency_ms=200.0, accepted=True):
    scores = {"ap50": 0.84, "ap_mean": 0.66, "coco_ap": 0.67, "coco_ap50": 0.9, "same50": 1.0, "same90": 0.97}
    size = {"megabytes": 17.1, "parameters": 4_200_000, "gflops": 12.0, "memory_mb": 300.0, "gpu_mb": None, "loss": 0.0}
    speed = {"latency_ms": latency_ms, "images_per_second": 1e3 / latency_ms}
    return {"step": step, "accepted": accepted, "scores": scores} | size | speed


START, INT8 = row("nuclei"), row("int8", 80.0)
REPORT = {"rows": [START, INT8], "recommendation": "Use 'int8': 2.5 times as fast.", "model": "nuclei-int8"}


@pytest.fixture
def dock(qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(f"{NAMES}.find_spec", lambda name: name)
    window = QMainWindow()
    qtbot.addWidget(window)
    dock = CompressDock(ViewerModel())
    window.setCentralWidget(dock)
    window.resize(330, 768)
    window.show()
    (tmp_path / "images").mkdir()
    dock.add_data(tmp_path / "images")
    yield dock
    dock.runner.cancel()


@pytest.fixture
def plans(monkeypatch):
    """The plans that were carried out, each of which makes one step."""
    ran = []

    def run_child(arguments):
        command, file, as_json = arguments
        assert (command, as_json) == ("compress", "--json")
        ran.append(json.loads(Path(file).read_text()))
        (Path(file).parent / "table.json").write_text(json.dumps({"rows": [START]}))
        yield "Start model: Judging on image 1 of 3"
        (Path(file).parent / "table.json").write_text(json.dumps({"rows": [START, INT8]}))
        yield "Step 1 of 1 (quantise)"
        return json.dumps(REPORT)

    monkeypatch.setattr(tasks, "run_child", run_child)
    return ran


def test_int8_on_a_folder_of_images_is_installed_and_can_be_used(dock, plans, qtbot, tmp_path):
    shown = []
    dock.result.rows.modelReset.connect(lambda: shown.append(dock.result.rows.titles))
    assert dock.form.name.text() == "nuclei-int8"
    assert not dock.result.use.isEnabled()
    dock.run.start.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=30_000)
    (plan,) = plans
    assert plan["steps"] == [{"do": "quantise", "method": "static", "seven_bits": False}]
    assert (plan["model"], plan["images"], plan["name"]) == ("nuclei", str(tmp_path / "images"), "nuclei-int8")
    assert Path(plan["out"]).is_relative_to(user_folder().parent)
    assert shown == [(), ("", "nuclei"), ("", "nuclei", "+ int8"), ("", "nuclei", "+ int8")]
    assert dock.result.sentence.text() == REPORT["recommendation"]
    assert len(dock.result.plot.steps) == 2
    assert dock.result.rows.data(dock.result.rows.index(0, 2), Qt.ItemDataRole.ToolTipRole) == "int8"
    dock.result.use.click()
    assert dock.in_use.name == "nuclei-int8"
    assert not dock.result.use.isEnabled()
    assert dock.result.open_folder.isEnabled()


def test_where_no_step_is_worth_it_nothing_can_be_used(dock, plans, qtbot):
    dock.form.name.setText("other")
    dock.run.start.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=30_000)
    assert dock.run.status.text() == "Nothing was installed."
    assert not dock.result.use.isEnabled()
    assert dock.form.name.text() == "other"


def test_all_steps_are_offered_for_annotated_images_alone(dock, tmp_path, plans, qtbot):
    assert not dock.steps.boxes["prune"].isEnabled()
    annotated = tmp_path / "fields"
    annotated.mkdir()
    (annotated / "annotations_val.json").write_text("{}")
    dock.add_data(annotated)
    for step in ("prune", "distil", "qat"):
        dock.steps.boxes[step].click()
        assert dock.steps.forms[step].isVisibleTo(dock)
    assert dock.form.name.text() == "nuclei-small"
    dock.run.start.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=30_000)
    assert [step["do"] for step in plans[0]["steps"]] == ["prune", "distil", "qat", "quantise"]
    assert plans[0]["data"] == str(annotated)


def test_a_failure_is_shown_and_nothing_is_claimed(dock, plans, monkeypatch, qtbot):
    shown = []

    def run_child(arguments):
        yield ""
        raise UserError("Found no cells in the 3 images to calibrate on.")

    monkeypatch.setattr(tasks, "run_child", run_child)
    monkeypatch.setattr(f"{NAMES}.notify", lambda *words: shown.append(words[0]))
    dock.run.start.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=30_000)
    assert shown == ["Found no cells in the 3 images to calibrate on."]
    assert dock.run.status.text() == "No model was installed."


def test_cancel_ends_the_compression(dock, plans, monkeypatch, qtbot):
    ended = Event()

    def run_child(arguments):
        try:
            while not ended.wait(0.02):  # as a child process is looked at now and then
                yield "Step 1 of 1 (quantise): Judging on image 1 of 3"
        finally:
            ended.set()

    monkeypatch.setattr(tasks, "run_child", run_child)
    dock.run.start.click()
    qtbot.waitUntil(lambda: "Step 1" in dock.run.status.text(), timeout=30_000)
    assert not dock.steps.isEnabled()
    dock.run.cancel.click()
    qtbot.waitUntil(ended.is_set, timeout=30_000)
    assert "Cancelled" in dock.run.status.text()
    assert dock.steps.isEnabled()


def test_it_fits_a_narrow_column_with_every_step_and_a_long_table(dock):
    for box in dock.steps.boxes.values():
        box.setChecked(True)
    rows = (START, row("prune"), row("prune + distil"), row("prune + distil + qat"), row("prune + distil + qat + int8"))
    sentence = "Use 'prune + distil + qat + int8': 2.5 times as fast, 20 % of the size, AP50 changes by -0.003."
    dock._on_ended(Outcome(Table(rows), sentence, "nuclei"))
    assert dock.minimumSizeHint().width() <= 330
    assert dock.window().height() <= 768
