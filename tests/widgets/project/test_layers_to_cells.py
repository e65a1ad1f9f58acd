"""Layers that become cells while an image of a project is in view are the project's cells."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_centermask.io.project import Project
from napari_centermask.widgets.edit.commands import layers_to_cells
from napari_centermask.widgets.edit.conversion import conversions_of
from napari_centermask.widgets.project.session import project_session_of


@pytest.fixture
def projects(viewer, tmp_path, qtbot):
    folder = tmp_path / "experiment"
    folder.mkdir()
    tifffile.imwrite(folder / "field.tif", np.zeros((64, 80), np.uint8))
    projects = project_session_of(viewer)
    projects.open(folder)
    projects.show(1)
    yield projects
    projects.close()
    qtbot.wait(1)


def test_polygons_are_kept_by_the_project(viewer, projects, qtbot):
    folder = projects.project.folder
    polygon = [[10, 10], [10, 30], [30, 30], [30, 10]]
    shapes = viewer.add_shapes([polygon, [[y + 5, x + 5] for y, x in polygon]])
    viewer.layers.selection = {shapes}
    layers_to_cells(viewer)
    qtbot.waitUntil(lambda: not conversions_of(viewer).runner.is_running, timeout=30_000)
    assert [c.area for c in projects.project.result(1)] == [400, 400]
    projects.close()
    with Project.open(folder) as again:
        assert [c.area for c in again.result(1)] == [400, 400]
