"""Counts of all images of a project."""

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from stained_cells import drag


def test_in_a_project_every_image_has_its_counts_and_a_click_opens_it(in_project, qtbot):
    dock, projects = in_project
    dock.window().show()  # nothing is counted while nobody looks
    dock.counts.tabs.setCurrentWidget(dock.images)
    model = dock.images.table.counts
    qtbot.waitUntil(lambda: model.rowCount() == 3, timeout=5000)
    assert [model.data(model.index(r, 3)) for r in range(3)] == ["66.7 %"] * 3
    drag(dock, 0.3)
    qtbot.waitUntil(lambda: model.data(model.index(0, 3)) == "50.0 %", timeout=5000)
    assert dock.images.total.text() == "18 cells in 3 images, viability 61.1 %"
    picked = []
    dock.images.picked.connect(picked.append)
    projects.changed.emit(1)  # until it is counted again, the lines are those that are shown
    dock.images.table.picked.emit(0)
    assert picked == [1]
    box = dock.images.table.visualRect(model.index(1, 0))
    QTest.mouseClick(dock.images.table.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    assert projects.current == 2
    projects.close()
    assert model.rowCount() == 0
