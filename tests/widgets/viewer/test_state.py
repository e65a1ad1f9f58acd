"""One state for each viewer: behind the proxy too, and ended with its window."""

import gc

from napari.components import ViewerModel

from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.viewer.state import model_in_use, session_of, state_of


def test_a_proxy_and_its_viewer_have_one_state(viewer, make_napari_viewer):
    state = state_of(viewer)
    assert state_of(viewer.__wrapped__) is state
    assert (session_of(viewer), model_in_use(viewer)) == (state.session, state.in_use)
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
