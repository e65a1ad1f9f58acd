"""Where to train: what a run on Azure takes is shown and confirmed first, and it then looks like any other."""

from __future__ import annotations

import json

import pytest
from played_job import OUTLIVES, state
from qtpy.QtWidgets import QMessageBox

from napari_centermask.jobs.place import read_place
from napari_centermask.jobs.process import Job
from napari_centermask.widgets.training import where

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
