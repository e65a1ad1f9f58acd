"""The review dock with real cells: queue, table, regions, check, and keys that stay with the canvas."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_centermask.core.errors import ReadOnlyProject
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.edit.cell_rows import KEYS
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of

SHAPE = (120, 160)


def disc(id, y, x, radius=8, **fields):
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    fields.setdefault("score", 0.95)
    return Instance.from_mask(np.hypot(yy, xx) <= radius, (y - radius, x - radius), id=id, **fields)


FIELD = (
    disc(1, 20, 20),
    disc(2, 20, 60, score=0.5),
    disc(3, 60, 20, score=0.6),
    disc(4, 60, 60, status="accepted"),
    disc(5, 100, 100, score=0.7),
)


@pytest.fixture
def open_dock(viewer, qtbot):
    """A review dock on an image with these cells, by plane."""
    from napari_centermask.widgets.edit.review_dock import ReviewDock

    def opened(planes, *, leading=(), **layer):
        image = viewer.add_image(np.zeros((*leading, *SHAPE), np.float32), name="field", **layer).__wrapped__
        result = Result(SHAPE, leading=leading, name="field")
        for index, cells in planes.items():
            result.put(index, Instances(SHAPE, cells), keep_ids=True)
        session_of(viewer).attach(image, ImagePlanes.of(image), result)
        dock = ReviewDock(viewer)
        viewer.window.add_dock_widget(dock, name="CenterMask: Review")
        qtbot.waitUntil(lambda: not dock.review._timer.isActive(), timeout=5000)
        dock.settle()
        return dock

    return opened


def status(dock, id, plane=()):
    return dock.edits.result.get(plane, id).status


def listed(dock):
    model = dock.cells.table.cells
    return [model.id(n) for n in range(model.rowCount())]


def test_the_queue_can_go_by_what_teaches_most(viewer, open_dock):
    dock = open_dock({(): (disc(1, 20, 20, score=0.35), disc(2, 60, 60, score=0.5))})
    dock.judging.next.click()
    assert dock.edits.selected == (1,)
    dock.judging.first.setCurrentIndex(1)
    dock.judging.first.activated.emit(1)
    assert dock.review.queue() == [2, 1]


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


def test_each_judgement_is_one_edit_with_its_name(open_dock):
    dock = open_dock({(): FIELD})
    dock.judging.next.click()
    dock.judging.reject.click()
    assert status(dock, 2) == "rejected"
    assert dock.edits.history.undo_name == "rejection of cell 2"
    dock.edits.undo()
    assert status(dock, 2) == "predicted"
    assert dock.review.progress.done == 1


def test_the_first_press_of_accept_with_nothing_selected_judges_nothing(open_dock):
    dock = open_dock({(): FIELD})
    dock.judging.accept.click()
    assert dock.edits.selected == (2,)
    assert status(dock, 2) == "predicted"


def test_going_back_returns_to_the_cell_before(open_dock):
    dock = open_dock({(): FIELD})
    dock.judging.next.click()
    dock.judging.next.click()
    assert dock.edits.selected == (3,)
    dock.judging.previous.click()
    assert dock.edits.selected == (2,)


def test_the_doubts_of_the_active_cell_are_said(open_dock):
    dock = open_dock({(): FIELD})
    assert "Press ▶" in dock.judging.why.text()
    dock.edits.select((2,))
    assert dock.judging.why.text() == "Cell 2: low score (0.50)."
    dock.edits.select((4,))
    assert dock.judging.why.text() == "Cell 4: nothing suspicious."


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
    _click(table, place)
    assert dock.edits.selected == (1,)


def _click(table, place):
    at = table.visualRect(table.cells.index(place, 0)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)


def test_edits_reach_the_table(open_dock, qtbot):
    dock = open_dock({(): FIELD})
    new = dock.edits.add(np.ones((6, 6), bool), (90, 20))
    dock.edits.select((4,))
    dock.edits.run_tool("delete")
    qtbot.waitUntil(lambda: sorted(listed(dock)) == [1, 2, 3, 5, new.id], timeout=2000)
    dock.edits.undo()
    dock.settle()
    assert sorted(listed(dock)) == [1, 2, 3, 4, 5, new.id]


def test_the_filter_narrows_the_table_and_explains_mistakes(open_dock):
    dock = open_dock({(): FIELD})
    dock.cells.text.setText("score<0.65")
    assert listed(dock) == [2, 3]
    dock.cells.text.setText("score<")
    assert listed(dock) == [2, 3]
    assert not dock.cells.problem.isHidden()
    assert "Example: score<0.6" in dock.cells.problem.text()
    dock.cells.text.clear()
    assert dock.cells.problem.isHidden()
    assert len(listed(dock)) == 5


def test_keys_reach_the_canvas_after_a_click_in_the_table(make_napari_viewer, open_dock, viewer, qtbot):
    dock = open_dock({(): FIELD})
    window = viewer.__wrapped__.window._qt_window
    window.show()
    qtbot.waitExposed(window)
    pressed = []
    dock.edits.select((1,))
    dock.edits.active.layer.bind_key("W", lambda layer: pressed.append("W"), overwrite=True)
    dock.cells.text.setFocus()
    _click(dock.cells.table, 2)
    assert not dock.cells.text.hasFocus()
    focused = window.focusWidget() or window
    QTest.keyClick(focused, Qt.Key.Key_W)
    assert dock.cells.text.text() == ""
    assert pressed == ["W"]


def test_stacks_are_reviewed_over_all_planes(viewer, open_dock):
    dock = open_dock(
        {(0,): [disc(1, 20, 20, score=0.6)], (2,): [disc(2, 20, 20, score=0.5), disc(3, 60, 60)]}, leading=(3,)
    )
    assert not dock.cells.here.isHidden()
    assert not dock.cells.table.isColumnHidden(KEYS.index("plane"))
    dock.judging.next.click()
    assert (dock.edits.current_plane, dock.edits.selected) == ((2,), (2,))
    dock.judging.accept.click()
    assert (dock.edits.current_plane, dock.edits.selected) == ((0,), (1,))
    dock.cells.here.setChecked(True)
    assert listed(dock) == [1]
    viewer.dims.set_point(0, 2)
    assert sorted(listed(dock)) == [2, 3]


def test_the_threshold_changes_what_there_is_to_review(open_dock):
    dock = open_dock({(): FIELD})
    dock.session.set_threshold(dock.image.layer, 0.65)
    dock.settle()
    assert sorted(listed(dock)) == [1, 4, 5]
    assert str(dock.review.progress) == "1 of 3 reviewed"


def test_a_region_accepts_its_cells_and_is_shown_listed_and_undone(viewer, open_dock):
    dock = open_dock({(): FIELD})
    dock.mark((0.2, -5, 41.4, 80))
    assert dock.edits.result.reviewed(()) == ((0, 0, 41, 80),)
    assert (status(dock, 1), status(dock, 2), status(dock, 3)) == ("accepted", "accepted", "predicted")
    dock.settle()
    assert dock.regions.list.item(0).text() == "80 x 41 at (0, 0), 17%"
    layer = viewer.layers["field reviewed"]
    np.testing.assert_array_equal(layer.data[0][:, -2:].min(axis=0), (-0.5, -0.5))
    assert not layer.editable
    dock.edits.undo()
    dock.settle()
    assert dock.edits.result.reviewed(()) == ()
    assert status(dock, 1) == "predicted"
    assert "field reviewed" not in viewer.layers


def test_a_larger_region_replaces_those_inside_and_can_be_removed(open_dock):
    dock = open_dock({(): FIELD})
    dock.mark((0, 0, 40, 40))
    dock.mark((100, 100, 110, 110))
    dock.regions.whole.click()
    assert dock.edits.result.reviewed(()) == ((0, 0, *SHAPE),)
    assert dock.review.progress.done == 5
    dock.settle()
    assert dock.regions.list.item(0).text() == "the whole plane"
    dock.regions.list.setCurrentRow(0)
    dock.regions.remove.click()
    assert dock.edits.result.reviewed(()) == ()
    assert dock.review.progress.done == 5


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


def test_the_check_lists_findings_and_goes_there(open_dock):
    twin = Instance(6, FIELD[3].y0, FIELD[3].x0 + 1, FIELD[3].mask, status="accepted")
    tiny = disc(7, 100, 20, radius=1, status="accepted")
    dock = open_dock({(): (*FIELD, twin, tiny)})
    dock.quality.start.click()
    tree = dock.quality.tree
    titles = [tree.topLevelItem(n).text(0) for n in range(tree.topLevelItemCount())]
    assert titles == ["Tiny (1)", "Duplicate (1)", "Not reviewed (4)"]
    assert dock.quality.summary.text() == "6 things to check."
    tree.itemClicked.emit(tree.topLevelItem(1).child(0), 0)
    assert dock.edits.selected == (4, 6)
    dock.edits.run_tool("delete", ids=(6,))
    dock.settle()
    assert dock.quality.summary.text().endswith("Cells have changed since.")


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
