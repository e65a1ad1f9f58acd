"""Segmenting with a new model: which image comes next, also where reading it takes long."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from played_job import COMPARES, OUTLIVES, comparison, state

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.project import loading
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.training import new_model
from napari_centermask.widgets.training.new_model import installed_as, predict_next

pytestmark = OUTLIVES


@pytest.fixture
def projects(viewer, engine, card, tmp_path, discs, qtbot, monkeypatch):
    """Three images of discs, the first in view; the fake model stands for one that was installed."""
    monkeypatch.setattr(new_model.zoo, "find_model", lambda name: SimpleNamespace(card=card))
    folder = tmp_path / "experiment"
    folder.mkdir()
    for n in range(3):
        tifffile.imwrite(folder / f"{n}.tif", (discs(shape=(128, 128 + 8 * n)) * 255).astype(np.uint8))
    projects = project_session_of(viewer)
    projects.open(folder)
    projects.show(1)
    yield projects
    engine.gate.set()
    qtbot.waitUntil(lambda: not projects.session.runner.is_running and not projects.loader.is_reading, timeout=20_000)
    projects.close()


@pytest.fixture
def ended(projects, qtbot):
    def wait():
        runner = projects.session.runner
        qtbot.waitUntil(lambda: not runner.is_running and not projects.loading, timeout=20_000)

    return wait


def n_cells(projects):
    return [len(projects.project.result(i.id)) for i in projects.project.images]


def test_an_unreviewed_image_is_the_next_one_also_where_it_is_in_view(viewer, projects, ended):
    predict_next(viewer, "mine")
    ended()
    assert projects.current == 1
    assert n_cells(projects) == [3, 0, 0]
    projects.project.set_status(2, "reviewed")
    predict_next(viewer, "mine")
    ended()
    assert projects.current == 3
    assert n_cells(projects) == [3, 0, 3]


def test_a_large_image_is_predicted_when_it_has_come(viewer, projects, ended, monkeypatch):
    projects.project.set_status(1, "reviewed")
    monkeypatch.setattr(loading, "SMALL", 0)
    predict_next(viewer, "mine")
    assert projects.current == 1  # nobody waits
    assert projects.loading == 2
    ended()
    assert projects.current == 2
    assert n_cells(projects) == [0, 3, 0]
    projects.show(3)
    ended()
    assert n_cells(projects) == [0, 3, 0]  # it was asked for once


def test_choosing_another_image_meanwhile_ends_the_wait(viewer, projects, ended, monkeypatch):
    projects.project.set_status(1, "reviewed")
    monkeypatch.setattr(loading, "SMALL", 0)
    predict_next(viewer, "mine")
    projects.show_soon(3)
    ended()
    assert projects.current == 3
    projects.show(2)
    ended()
    assert n_cells(projects) == [0, 0, 0]


def test_a_run_in_progress_is_not_disturbed(viewer, projects, engine, ended):
    engine.gate.clear()
    predict_next(viewer, "mine")
    with pytest.raises(UserError, match="in progress"):
        predict_next(viewer, "mine")
    engine.gate.set()
    ended()


def test_weights_are_known_under_the_name_they_were_installed_with(tmp_path, monkeypatch):
    weights = tmp_path / "best.safetensors"
    weights.write_bytes(b"trained")
    copy = tmp_path / "mine.safetensors"
    copy.write_bytes(b"trained")
    models = [SimpleNamespace(name="nuclei", shipped=True, weights=copy)]
    monkeypatch.setattr(new_model.zoo, "list_models", lambda: models)
    assert installed_as(weights) == ""
    models.append(SimpleNamespace(name="graphs", shipped=False, weights=None))
    models.append(SimpleNamespace(name="mine", shipped=False, weights=copy))
    assert installed_as(weights) == "mine"


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
