"""Docks opened one after another share one place."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_centermask.widgets.parts.tabs import share_place

RIGHT, LEFT = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.LeftDockWidgetArea


@pytest.fixture
def window(qtbot):
    window = QMainWindow()
    window.setCentralWidget(QWidget())
    qtbot.addWidget(window)
    window.show()
    return window


def opened(window, title, *, area=RIGHT, ours=True):
    inner, frame = QWidget(), QDockWidget(f"CenterMask: {title} (CenterMask)", window)
    if ours:
        share_place(inner, title)
    frame.setWidget(inner)
    window.addDockWidget(area, frame)
    frame.show()
    return frame


def test_ours_become_tabs_with_short_names_and_others_stay(window):
    other = opened(window, "Other", ours=False)
    first, second, third = (opened(window, title) for title in ("Segment", "Correct", "Review"))
    assert set(window.tabifiedDockWidgets(third)) == {first, second}
    assert window.tabifiedDockWidgets(other) == []
    assert third.windowTitle() == "Review"


def test_a_dock_on_another_side_or_in_a_window_of_its_own_is_left_there(window):
    first = opened(window, "Segment", area=LEFT)
    second = opened(window, "Correct")
    assert window.tabifiedDockWidgets(second) == []
    second.setFloating(True)
    third = opened(window, "Review")
    assert window.tabifiedDockWidgets(third) == []
    third.hide()
    window.addDockWidget(LEFT, third)  # a person moves it; that is where it stays
    third.show()
    assert window.tabifiedDockWidgets(first) == []


def test_a_dock_ends_when_a_person_closes_it(window, qtbot):
    frame = opened(window, "Segment")
    inner = frame.widget()
    with qtbot.waitSignal(inner.destroyed):
        inner.setParent(None)  # as napari does when its X is clicked
        window.removeDockWidget(frame)
        frame.deleteLater()


def test_a_dock_that_got_another_frame_lives_on(window, qtbot):
    frame = opened(window, "Segment")
    inner = frame.widget()
    other = QDockWidget("Segment", window)
    other.setWidget(inner)
    with qtbot.waitSignal(frame.destroyed):
        frame.deleteLater()
    qtbot.wait(50)
    assert other.widget() is inner
