"""The list of images and its thumbnails."""

import numpy as np
from project_cells import ids
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_centermask.widgets.project.image_list import small


def test_thumbnails_come_by_themselves(project_dock, folder, qtbot):
    project_dock.open(folder)
    damaged = ids(project_dock)["field 5.tif"]
    qtbot.waitUntil(lambda: project_dock.images.without_picture() == [damaged], timeout=10_000)


def test_the_list_takes_no_focus_and_clicks_pick(project_dock, folder, qtbot):
    project_dock.open(folder)
    project_dock.show()
    at = project_dock.images.visualItemRect(project_dock.images.item(2)).center()
    QTest.mouseClick(project_dock.images.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert project_dock.session.current == ids(project_dock)["field 2.tif"]
    assert project_dock.images.focusPolicy() == Qt.FocusPolicy.NoFocus


def test_ctrl_selects_more_images_and_leaves_the_current_one_in_view(project_dock, folder):
    project_dock.open(folder)
    project_dock.show()
    images = project_dock.images
    for row, key in ((0, Qt.KeyboardModifier.NoModifier), (2, Qt.KeyboardModifier.ControlModifier)):
        at = images.visualItemRect(images.item(row)).center()
        QTest.mouseClick(images.viewport(), Qt.MouseButton.LeftButton, key, at)
    chosen = {ids(project_dock)[f"field {n}.tif"] for n in (0, 2)}
    assert set(images.selected()) == set(project_dock.session.segment_all.selected) == chosen
    assert project_dock.session.current == ids(project_dock)["field 0.tif"]
    project_dock.session.save()
    assert set(images.selected()) == chosen


def test_pictures_are_small_and_stretched():
    ramp = np.linspace(100, 4000, 300 * 200).reshape(1, 300, 200).astype(np.uint16)
    picture = small(ramp)
    assert picture.dtype == np.uint8
    assert max(picture.shape[:2]) <= 56
    assert (picture.min(), picture.max()) == (0, 255)
    rgb = np.zeros((3, 30, 30), np.uint8)
    rgb[0] = 200
    assert small(rgb)[0, 0].tolist() == [200, 0, 0]
