"""The review dock with real cells: what a person presses and sees, and keys that stay with the canvas."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from review_field import FIELD, SHAPE, click, listed, status

from napari_centermask.core.errors import ReadOnlyProject
from napari_centermask.core.instances import Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of


def test_accept_goes_through_the_doubtful_and_ends(viewer, open_dock):
    dock = open_dock({(): FIELD})
    assert dock.judging.count.text() == "<b>1 of 5 reviewed</b>."
    dock.judging.next.click()
    visited = []
    for _ in range(4):
        visited.append(dock.edits.selected[0])
        dock.judging.accept.click()
    assert visited == [2, 3, 5, 1]
    dock.settle()
    assert dock.judging.count.text() == "<b>5 of 5 reviewed</b>. All cells are reviewed."
    assert not dock.judging.next.isEnabled()
    assert dock.judging.next.toolTip() == "Every cell is reviewed."
    assert {c.status for c in dock.edits.result} == {"accepted"}


def test_the_dock_is_never_narrower_than_what_it_shows(open_dock):
    dock = open_dock({(): FIELD})
    for _ in range(5):
        dock.judging.accept.click()
    dock.settle()
    QTest.qWait(20)
    assert dock.judging.count.text().endswith("All cells are reviewed.")
    assert (
        dock.minimumWidth() <= dock.layout().minimumSize().width() <= 400
    )  # of a window of 1280 beside canvas and layers


def test_the_first_press_of_accept_with_nothing_selected_judges_nothing(open_dock):
    dock = open_dock({(): FIELD})
    dock.judging.accept.click()
    assert dock.edits.selected == (2,)
    assert status(dock, 2) == "predicted"


def test_the_view_moves_to_the_cell_under_scale_and_translate(viewer, open_dock):
    dock = open_dock({(): FIELD}, scale=(2, 3), translate=(10, 20))
    dock.judging.next.click()
    camera = getattr(viewer, "scene", viewer).camera
    assert camera.center[-2:] == pytest.approx((10 + 2 * 20, 20 + 3 * 60))


def test_table_and_canvas_select_the_same(open_dock):
    dock = open_dock({(): FIELD})
    dock.edits.select((3, 5))
    table = dock.cells.table
    rows = {table.cells.id(i.row()) for i in table.selectionModel().selectedRows()}
    assert rows == {3, 5}
    place = table.cells.place(1)
    click(table, place)
    assert dock.edits.selected == (1,)


def test_edits_reach_the_table(open_dock, qtbot):
    dock = open_dock({(): FIELD})
    new = dock.edits.add(np.ones((6, 6), bool), (90, 20))
    dock.edits.select((4,))
    dock.edits.run_tool("delete")
    qtbot.waitUntil(lambda: sorted(listed(dock)) == [1, 2, 3, 5, new.id], timeout=2000)
    dock.edits.undo()
    dock.settle()
    assert sorted(listed(dock)) == [1, 2, 3, 4, 5, new.id]


def test_keys_reach_the_canvas_after_a_click_in_the_table(make_napari_viewer, open_dock, viewer, qtbot):
    dock = open_dock({(): FIELD})
    window = viewer.__wrapped__.window._qt_window
    window.show()
    qtbot.waitExposed(window)
    pressed = []
    dock.edits.select((1,))
    dock.edits.active.layer.bind_key("W", lambda layer: pressed.append("W"), overwrite=True)
    dock.cells.text.setFocus()
    click(dock.cells.table, 2)
    assert not dock.cells.text.hasFocus()
    focused = window.focusWidget() or window
    QTest.keyClick(focused, Qt.Key.Key_W)
    assert dock.cells.text.text() == ""
    assert pressed == ["W"]


def test_what_is_in_view_can_be_marked(viewer, open_dock):
    dock = open_dock({(): FIELD})
    dock.image.layer.corner_pixels = np.array([[10, 0], [79, 39]])
    dock.regions.view.click()
    assert dock.edits.result.reviewed(()) == ((10, 0, 80, 40),)
    assert [status(dock, k) for k in (1, 2, 3)] == ["accepted", "predicted", "accepted"]


def test_a_refused_change_is_said_and_changes_nothing(open_dock, notices, monkeypatch):
    dock = open_dock({(): FIELD})

    def refuse(*_, **__):
        raise ReadOnlyProject("Another window writes this project.")

    monkeypatch.setattr(dock.edits.history, "do", refuse)
    dock.edits.select((2,))
    dock.judging.accept.click()
    dock.regions.whole.click()
    assert notices()[-2:] == ["Another window writes this project."] * 2
    assert status(dock, 2) == "predicted"


def test_a_drawn_box_is_marked_with_all_pixels_it_touches(open_dock):
    dock = open_dock({(): FIELD})
    dock._on_drawn(np.array([[40.2, 30.0], [9.6, 0.4]]))
    assert dock.edits.result.reviewed(()) == ((10, 0, 41, 31),)


def test_without_cells_all_is_disabled_and_says_why(viewer, qtbot):
    from napari_centermask.widgets.edit.review_dock import ReviewDock

    viewer.add_image(np.zeros(SHAPE, np.float32))
    dock = ReviewDock(viewer)
    viewer.window.add_dock_widget(dock)
    for button in (dock.judging.next, dock.judging.accept, dock.regions.whole, dock.quality.start):
        assert not button.isEnabled()
        assert "run CenterMask" in button.toolTip()
    assert dock.judging.count.text() == "No cells yet."


def test_cells_that_come_later_are_shown_and_a_removed_image_empties_the_dock(viewer, qtbot):
    from napari_centermask.widgets.edit.review_dock import ReviewDock

    image = viewer.add_image(np.zeros(SHAPE, np.float32), name="field").__wrapped__
    dock = ReviewDock(viewer)
    viewer.window.add_dock_widget(dock)
    result = Result(SHAPE)
    result.put((), Instances(SHAPE, FIELD), keep_ids=True)
    session_of(viewer).attach(image, ImagePlanes.of(image), result)
    assert sorted(listed(dock)) == [1, 2, 3, 4, 5]
    viewer.layers.remove("field")
    assert listed(dock) == []
    assert not dock.judging.next.isEnabled()


def test_a_closed_dock_hears_nothing_and_the_next_one_continues(viewer, open_dock, qtbot):
    from napari_centermask.widgets.edit.review_dock import ReviewDock

    first = open_dock({(): FIELD})
    edits = first.edits
    first.judging.next.click()
    first.judging.accept.click()
    viewer.window.remove_dock_widget(first)
    first.deleteLater()
    qtbot.wait(50)
    edits.run_tool("accept", (5,))
    second = ReviewDock(viewer)
    viewer.window.add_dock_widget(second)
    assert str(second.review.progress) == "3 of 5 reviewed"
    assert second.edits is edits
