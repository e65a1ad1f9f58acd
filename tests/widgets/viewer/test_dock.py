"""The base of all docks: they share one place, and what one connects ends with it, also when it could not be built."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QDockWidget, QLabel, QMainWindow, QWidget

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.edit.dock import CorrectDock
from napari_centermask.widgets.edit.large_parts import parts_of
from napari_centermask.widgets.viewer.dock import Dock, open_dock, share_place
from napari_centermask.widgets.viewer.state import session_of

RIGHT, LEFT = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.LeftDockWidgetArea


def listeners(viewer):
    """How many slots hear the session, its parts of large images, which outlive every dock and listen too, and the layer list."""
    parts = parts_of(viewer.__wrapped__)
    events = viewer.__wrapped__.layers.events
    emitters = (events.inserted, events.removed, events.reordered, viewer.__wrapped__.layers.selection.events.active)
    return len(session_of(viewer).changed), len(parts.changed), [len(e.callbacks) for e in emitters]


class HalfBuilt(CorrectDock):
    def _connect(self):
        super()._connect()
        raise RuntimeError("half-built")


def test_a_dock_that_cannot_be_built_leaves_nothing_behind(viewer, qtbot):
    before = listeners(viewer)
    with pytest.raises(RuntimeError, match="half-built"):
        HalfBuilt(viewer)
    qtbot.waitUntil(lambda: listeners(viewer) == before, timeout=5000)


def test_a_dock_that_is_deleted_leaves_nothing_behind(viewer, qtbot):
    before = listeners(viewer)
    dock = CorrectDock(viewer)
    assert listeners(viewer) != before
    dock.deleteLater()
    qtbot.waitUntil(lambda: listeners(viewer) == before, timeout=5000)


@pytest.mark.usefixtures("plugin")
def test_a_dock_that_was_opened_from_the_menu_is_not_opened_again(make_napari_viewer):
    viewer = make_napari_viewer()
    dock = CorrectDock(viewer)
    frame = viewer.window.add_dock_widget(dock, name="Correct (CenterMask)")
    frame.hide()
    assert open_dock(viewer, "Correct") == (frame, dock)
    assert not frame.isHidden()


def test_a_users_error_in_a_slot_of_a_dock_is_a_notification(viewer, qtbot, notices):
    class Failing(Dock):
        title = "Failing"

        def _set_up(self):
            QLabel("empty", self)
            self.links.add(session_of(self._viewer).changed, self._on_changed)

        def _on_changed(self, source):
            raise UserError("The disk is full. Make room.")

    dock = Failing(viewer)
    viewer.window.add_dock_widget(dock)
    session_of(viewer).changed.emit(viewer.add_image(np.zeros((9, 9))).__wrapped__)
    assert notices()[-1] == "The disk is full. Make room."


@pytest.fixture
def window(qtbot):
    window = QMainWindow()
    window.setCentralWidget(QWidget())
    qtbot.addWidget(window)
    window.show()
    return window


def opened(window, title, *, area=RIGHT, ours=True):
    inner, frame = QWidget(), QDockWidget(f"{title} (CenterMask)", window)
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


def test_a_dock_on_another_side_or_in_a_separate_window_is_left_there(window):
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
    ended = []
    inner.destroyed.connect(lambda: ended.append(True))
    inner.setParent(None)  # as napari does when its X is clicked
    window.removeDockWidget(frame)
    frame.deleteLater()
    qtbot.waitUntil(lambda: bool(ended))


def test_a_dock_that_got_another_frame_lives_on(window, qtbot):
    frame = opened(window, "Segment")
    inner = frame.widget()
    other = QDockWidget("Segment", window)
    other.setWidget(inner)
    ended = []
    frame.destroyed.connect(lambda: ended.append(True))
    frame.deleteLater()
    qtbot.waitUntil(lambda: bool(ended))
    qtbot.wait(50)
    assert other.widget() is inner


def test_a_dock_behind_another_tab_is_left(window):
    left = []
    inner, frame = QWidget(), QDockWidget("Correct", window)
    share_place(inner, "Correct", on_left=lambda: left.append("Correct"))
    frame.setWidget(inner)
    window.addDockWidget(RIGHT, frame)
    frame.show()
    other = opened(window, "Review")
    QApplication.processEvents()
    assert left
    left.clear()
    frame.raise_()
    QApplication.processEvents()
    assert not left
    other.raise_()
    QApplication.processEvents()
    assert left == ["Correct"]
