"""One state for each viewer: behind the proxy too, ended with its window; its docks work with one model."""

import gc
from dataclasses import replace

import pytest
from napari.components import ViewerModel

from napari_centermask.models.store import zoo
from napari_centermask.widgets.project.dock import ProjectDock
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.segment.dock import SegmentDock
from napari_centermask.widgets.viewer.state import session_of, state_of


def test_a_proxy_and_its_viewer_have_one_state(viewer, make_napari_viewer):
    state = state_of(viewer)
    assert state_of(viewer.__wrapped__) is state
    assert (session_of(viewer), state_of(viewer).in_use) == (state.session, state.in_use)
    assert state_of(make_napari_viewer()) is not state


def test_parts_of_upper_rooms_end_with_the_window(viewer, qtbot, monkeypatch):
    ended = []
    projects = project_session_of(viewer)
    assert project_session_of(viewer.__wrapped__) is projects
    monkeypatch.setattr(projects, "end", lambda: ended.append("project"))
    monkeypatch.setattr(state_of(viewer).session.run, "end", lambda: ended.append("run"))
    viewer.__wrapped__.close()
    qtbot.waitUntil(lambda: bool(ended), timeout=5000)
    assert ended == ["project", "run"]


def test_a_viewer_without_a_window_has_a_state_that_ends_with_it():
    viewer, ended = ViewerModel(), []
    state = state_of(viewer)
    state.session.run.end = lambda: ended.append("run")
    del viewer
    gc.collect()
    assert ended == ["run"]


@pytest.fixture
def models(engine, monkeypatch):
    """Names of the models on this machine; one may be added."""
    (files,) = zoo.list_models()
    names = ["first", "second"]
    monkeypatch.setattr(zoo, "list_models", lambda: [replace(files, name=name) for name in names])
    return names


def test_the_segment_dock_tells_and_follows(models, dock, viewer):
    in_use, combo = state_of(viewer).in_use, dock.model.models
    assert in_use.name == combo.currentText() == "first"
    combo.setCurrentText("second")
    assert in_use.name == "second"
    models.append("installed")
    in_use.choose("installed")
    assert combo.currentText() == "installed"
    assert dock.value().model == "installed"
    again = SegmentDock(viewer)
    viewer.window.add_dock_widget(again, name="again")
    assert again.model.models.currentText() == "installed"


def test_predictions_ahead_follow_it_and_may_go_by_another(models, viewer):
    in_use = state_of(viewer).in_use
    in_use.choose("second")
    project = ProjectDock(viewer)
    viewer.window.add_dock_widget(project, name="project")
    combo = project.background.models
    assert combo.currentText() == "second"
    models.append("installed")
    in_use.choose("installed")
    assert combo.currentText() == "installed"
    combo.setCurrentText("first")
    assert in_use.name == "installed"
