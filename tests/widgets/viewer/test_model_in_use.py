"""The docks of a viewer work with one model."""

from dataclasses import replace

import pytest

from napari_centermask.models.store import zoo
from napari_centermask.widgets.project.dock import ProjectDock
from napari_centermask.widgets.segment.dock import SegmentDock
from napari_centermask.widgets.viewer.state import model_in_use


@pytest.fixture
def models(engine, monkeypatch):
    """Names of the models on this machine; one may be added."""
    (files,) = zoo.list_models()
    names = ["first", "second"]
    monkeypatch.setattr(zoo, "list_models", lambda: [replace(files, name=name) for name in names])
    return names


def test_the_segment_dock_tells_and_follows(models, dock, viewer):
    in_use, combo = model_in_use(viewer), dock.model.models
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
    in_use = model_in_use(viewer)
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
