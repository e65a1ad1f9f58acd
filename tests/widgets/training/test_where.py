"""Where to train: what a run on Azure takes is shown and confirmed first, and it then looks like any other."""

from __future__ import annotations

import json

import pytest
from played_job import OUTLIVES, state
from qtpy.QtWidgets import QMessageBox, QPlainTextEdit

from napari_centermask.jobs.child import ChildFailed
from napari_centermask.jobs.place import read_place
from napari_centermask.jobs.process import Job
from napari_centermask.widgets.training import elsewhere, where

pytestmark = OUTLIVES


@pytest.fixture
def asked(monkeypatch):
    """Texts of the questions; `answer` is what a person presses."""

    class Asked(list):
        answer = QMessageBox.StandardButton.Yes

    asked = Asked()
    monkeypatch.setattr(
        QMessageBox, "question", lambda _parent, _title, text, *_: (asked.append(text), asked.answer)[1]
    )
    return asked


@pytest.fixture
def azure(train, tmp_path, monkeypatch):
    """The dock with Azure chosen and filled in from config.json."""
    monkeypatch.setattr(where, "is_installed", lambda name: True)
    names = {"subscription_id": "s", "resource_group": "g", "workspace_name": "lab"}
    (tmp_path / "config.json").write_text(json.dumps(names))
    box = train.start.where
    box.where.setCurrentText(where.AZURE)
    box.read(tmp_path / "config.json")
    box.compute.setText("gpus")
    return box


def test_node_hours_and_size_are_shown_and_the_run_starts_there_once_confirmed(train, azure, asked, wait):
    azure.makes.setChecked(True)
    azure.nodes.setValue(2)
    azure.hours.setValue(3)
    assert train.start.start.text() == "Fine-tune on Azure…"
    train.start.start.click()
    wait(lambda: state(train) == "running")
    (text,) = asked
    assert "workspace  lab in g" in text
    assert "2 x 3 h = 6 node-hours" in text
    assert "gpus, made of Standard_" in text
    assert "Advised: Standard_" in azure.advice.text()
    folder = train.training.job.folder
    place = read_place(folder)
    assert (place.workspace_name, place.compute, place.create, place.size) == ("lab", "gpus", True, None)
    assert (place.nodes, place.hours) == (2, 3)
    assert Job(folder).is_elsewhere
    assert "cannot be paused" in train.progress.pause.toolTip()
    assert not train.progress.discard.isEnabled()
    train.training.stop()
    wait(lambda: state(train) == "stopped")
    assert train.progress.discard.isEnabled()


def test_without_a_yes_nothing_starts_and_here_is_still_possible(train, azure, asked, wait):
    asked.answer = QMessageBox.StandardButton.No
    train.start.start.click()
    wait(lambda: asked and not train.part.estimator.is_running)
    assert train.training.job is None
    azure.where.setCurrentText(where.HERE)
    assert train.start.start.text() == "Fine-tune"
    train.start.start.click()
    wait(lambda: state(train) == "running")
    assert len(asked) == 1
    assert not train.training.job.is_elsewhere


def test_an_empty_field_and_a_wrong_file_say_what_to_do(train, azure, asked, wait, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(where, "notify", lambda text, page: said.append(text))
    monkeypatch.setattr("napari_centermask.widgets.training.start_part.notify", lambda text, page="": said.append(text))
    azure.compute.setText(" ")
    train.start.start.click()
    wait(lambda: said)
    azure.read(tmp_path / "other.json")
    assert said == ["Azure needs the compute. Fill it in, or take the names from config.json.", said[1]]
    assert "There is no workspace file" in said[1]
    assert not asked
    assert train.training.job is None


def test_without_its_packages_azure_says_how_to_install_them(train, monkeypatch):
    monkeypatch.setattr(where, "is_installed", lambda name: False)
    train.start.where.where.setCurrentText(where.AZURE)
    assert not train.start.start.isEnabled()
    assert "pip install 'napari-centermask[azure]'" in train.start.where.reason.text()
    assert "pip install 'napari-centermask[azure]'" in train.start.start.toolTip()
    train.start.where.where.setCurrentText(where.HERE)
    assert train.start.start.isEnabled()


def test_it_fits_the_dock(train, azure):
    assert train.minimumSizeHint().width() <= 330
    assert train.start.minimumSizeHint().width() <= 300


def test_the_log_is_shown_and_the_model_registered_by_a_process_of_its_own(train, azure, asked, wait, monkeypatch):
    calls = []

    def run_child(arguments):
        calls.append([arguments[0], arguments[1], *arguments[3:]])
        yield ""
        return "step 20" if arguments[1] == "logs" else "Registered as mine:3.\n"

    monkeypatch.setattr(elsewhere, "run_child", run_child)
    box = train.elsewhere
    assert box.isHidden()
    train.start.start.click()
    wait(lambda: state(train) == "running")
    assert not box.isHidden()
    assert not box.register.isEnabled()
    box.log.click()
    wait(lambda: box._window is not None and not box.runner.is_running)
    assert box._window.findChild(QPlainTextEdit).toPlainText() == "step 20"
    (train.training.job.folder / "best.safetensors").touch()
    train.training.stop()
    wait(lambda: state(train) == "stopped" and not train.training.watcher.is_running)
    train.new_model.name.setText("mine")
    box.register.click()
    wait(lambda: "mine:3" in box.status.text())
    assert calls == [["remote", "logs"], ["remote", "register", "mine"]]


def test_what_azure_refuses_becomes_a_notification(train, azure, asked, wait, monkeypatch):
    def run_child(arguments):
        yield ""
        raise ChildFailed("Azure accepts no credential of this computer.")

    said = []
    monkeypatch.setattr(elsewhere, "run_child", run_child)
    monkeypatch.setattr(elsewhere, "notify", lambda text, page: said.append(text))
    train.start.start.click()
    wait(lambda: state(train) == "running")
    train.elsewhere.log.click()
    wait(lambda: said and not train.elsewhere.runner.is_running)
    assert said == ["Azure accepts no credential of this computer."]
    assert train.elsewhere.log.isEnabled()
