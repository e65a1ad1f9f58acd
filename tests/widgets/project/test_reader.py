"""Projects open where napari opens files: by drag and drop, or File > Open."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_centermask.io.own_files import PROJECT
from napari_centermask.io.project import Project
from napari_centermask.widgets.project.reader import get_reader
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.viewer.reader import get_reader as reader_of_cells

PLUGIN = "napari-centermask"


pytestmark = pytest.mark.usefixtures("plugin")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", np.zeros((64, 64), np.uint8))
    with Project.open(folder) as project:
        project.save()
    return folder


@pytest.mark.parametrize("name", ["", PROJECT])
def test_a_project_opens_as_a_project(viewer, engine, folder, name):
    assert viewer.open(folder / name, plugin=PLUGIN) == []
    session = project_session_of(viewer)
    assert session.project.folder == folder
    assert [layer.name for layer in viewer.layers][0] == "a"
    session.close()


def test_other_folders_are_left_to_other_readers(tmp_path):
    (tmp_path / "labels").touch()
    assert get_reader(str(tmp_path)) is None
    assert reader_of_cells(str(tmp_path)) is None


def test_other_files_are_left_to_other_readers(folder):
    assert get_reader(str(folder / "a.tif")) is None
    assert get_reader(str(folder / "annotations.json")) is None
