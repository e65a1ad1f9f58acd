"""Cells that a dock saved come back on their image when the file is dropped into napari, also if the image is opened later."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hands import answer, press, type_path, until
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_centermask.widgets.viewer.samples import FOLDER
from napari_centermask.widgets.viewer.state import session_of

PLUGIN = "napari-centermask"
IMAGE = "nuclei_fluorescence_small.png"


def drop(viewer, path: Path) -> None:
    """Drop a file on the canvas."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    viewer.window._qt_viewer.dropEvent(QDropEvent(QPointF(50, 50), copy, data, left, none))


def cells_on(viewer, name: str) -> dict[tuple[int, ...], np.ndarray]:
    """The visible cells of an image of the viewer, masks by box; {} if it has none."""
    image = next((layer for layer in viewer.layers if layer.name == name), None)
    result = None if image is None else session_of(viewer).result(image)
    return {} if result is None else {cell.box: cell.mask for cell in result if result.shows(cell)}


@pytest.mark.parametrize("is_moved", [False, True], ids=["the image stays", "the image is opened later"])
def test_what_a_dock_saved_as_coco_is_on_its_image_when_it_is_dropped(make_napari_viewer, tmp_path, is_moved):
    shutil.copy(FOLDER / IMAGE, tmp_path / "field.png")
    viewer = make_napari_viewer(show=True)
    viewer.open(tmp_path / "field.png", plugin="napari")
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    press(dock.run.start)
    until(lambda: not dock.session.runner.is_running)
    before = cells_on(viewer, "field")
    assert before
    (tmp_path / "results").mkdir()
    file = tmp_path / "results" / "my cells.json"
    answer(type_path(file))
    press(dock.save)
    until(lambda: file.exists() and not dock.save.runner.is_running)
    viewer.layers.clear()
    if is_moved:
        shutil.move(tmp_path / "field.png", tmp_path / "elsewhere.tmp")
    drop(viewer, file)
    notices = [n.message for n in notification_manager.records]
    if is_moved:
        assert [layer.name for layer in viewer.layers] == ["field cells", "field outlines"]
        assert any("field.png not found" in text for text in notices)
        (tmp_path / "other place").mkdir()
        shutil.move(tmp_path / "elsewhere.tmp", tmp_path / "other place" / "field.png")
        drop(viewer, tmp_path / "other place" / "field.png")
    until(lambda: cells_on(viewer, "field"), seconds=60)
    after = cells_on(viewer, "field")
    assert sorted(after) == sorted(before)
    assert all(np.array_equal(after[box], mask) for box, mask in before.items())
    assert dock.source.name == "field"
    assert sorted(layer.name for layer in viewer.layers) == ["field", "field cells", "field outlines"]
