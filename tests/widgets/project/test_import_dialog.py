"""Import annotations into the project that is open in the dock."""

import json

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord


@pytest.fixture
def dock(viewer, engine, tmp_path):
    from PIL import Image

    from napari_centermask.widgets.project.dock import ProjectDock

    for place in ("project/a.png", "elsewhere/b.png"):
        (tmp_path / place).parent.mkdir()
        Image.fromarray(np.zeros((40, 50), np.uint8)).save(tmp_path / place)
    made = ProjectDock(viewer)
    viewer.window.add_dock_widget(made, name="Project")
    made.open(tmp_path / "project")
    yield made
    made.images.stop_pictures()
    made.session.close()


@pytest.fixture
def answers(monkeypatch, tmp_path):
    """What the person chooses, and the texts of the boxes that were shown."""
    shown = []
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(tmp_path / "theirs.json"), ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(tmp_path / "elsewhere"))
    monkeypatch.setattr(QMessageBox, "exec", lambda box: shown.append((box.text(), box.informativeText())))
    return shown


def write(tmp_path, *names):
    cells = Instances((40, 50), [Instance(1, 4, 5, np.ones((9, 8), bool), status="accepted")])
    records = [ImageRecord(n, name, None, (40, 50), cells) for n, name in enumerate(names, start=1)]
    write_coco(tmp_path / "theirs.json", records)


def test_the_image_in_view_shows_what_came_in(viewer, dock, answers, tmp_path):
    write(tmp_path, "a.png", "b.png")
    dock.head.bring.click()
    assert [i.file_name for i in dock.project.images] == ["a.png", "b.png"]
    assert [len(dock.project.result(i.id)) for i in dock.project.images] == [1, 1]
    assert viewer.layers["a cells"].data[6, 7] == 1
    assert answers == [("theirs.json: 2 images and 2 cells imported.", "")]
    dock.head.bring.click()
    assert "the project already has this cell: 2" in answers[1][1]


def test_a_file_that_cannot_be_read_is_one_notification(dock, answers, notices, tmp_path):
    (tmp_path / "theirs.json").write_text(json.dumps([1]))
    dock.head.bring.click()
    assert len(notices()) == 1
    assert answers == []
    assert len(dock.project.images) == 1


def test_without_a_project_the_button_says_why(dock):
    dock.session.close()
    assert not dock.head.bring.isEnabled()
    assert "no project" in dock.head.bring.toolTip()
