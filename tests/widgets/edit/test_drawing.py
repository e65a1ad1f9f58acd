"""Drawing on the canvas: one box after another, on the plane where it began, with the mouse."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from corrected_cells import drawn, is_disc

from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.drawing import cancel_drawing, drawing_in
from napari_centermask.widgets.edit.prompt import prompts_of
from napari_centermask.widgets.viewer.state import session_of


def test_boxes_drawn_one_after_another_become_cells_until_escape(begin, ask, bare_viewer):
    edits = begin()
    prompts_of(edits).draw("box")
    drawn(edits, bare_viewer, (19.5, 19.5), (40.5, 40.5))
    assert len(ask(edits)) == 1
    assert bare_viewer.layers.selection.active is drawing_in(bare_viewer).layer  # the next box can be drawn
    drawn(edits, bare_viewer, (100.5, 60.5), (79.5, 39.5))  # from the lower right corner
    cells = ask(edits)
    assert [is_disc(c, *p) for c, p in zip(cells, [(30, 30), (90, 50)], strict=True)] == [True, True]
    cancel_drawing(bare_viewer)
    assert drawing_in(bare_viewer) is None


def test_prompts_go_to_the_plane_on_which_they_were_drawn(begin, ask, bare_viewer):
    edits = begin(leading=(3,), scale=(2.0, 0.5, 0.5), translate=(1, 10, 20))
    bare_viewer.dims.set_current_step(0, 1)
    prompts_of(edits).draw("click")
    drawn(edits, bare_viewer, (30.0, 90.0))
    bare_viewer.dims.set_current_step(0, 2)
    ask(edits)
    assert [len(edits.result.plane((z,))) for z in range(3)] == [0, 1, 0]
    assert is_disc(next(iter(edits.result)), 30, 90)


def test_a_box_drawn_with_the_mouse_after_a_key_becomes_a_cell(make_napari_viewer, engine, discs, qtbot):
    from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    bare_viewer = make_napari_viewer(show=True)
    source = bare_viewer.add_image(discs(), name="discs", scale=(0.5, 0.5), translate=(7, -4))
    edits = edit_session_of(session_of(bare_viewer), source)
    edits.shown.settings = SegmentSettings(diameter=20)
    edits.activate()
    bare_viewer.layers.selection.active = source
    bare_viewer.reset_view()
    canvas = bare_viewer.window._qt_viewer.canvas
    native = canvas.native
    native.setFocus()
    qtbot.wait(50)

    def at(y, x):
        wy, wx = source.data_to_world((y, x))
        px, py = canvas.view.scene.transform.map([wx, wy, 0, 1])[:2]
        return QPoint(round(px), round(py))

    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.keyClick(native, Qt.Key.Key_9)
    assert drawing_in(bare_viewer).kind == "box"
    QTest.mousePress(native, left, none, at(78, 38))
    for y, x in [(85, 45), (95, 55), (102, 62)]:
        qtbot.wait(15)  # vispy leaves out moves in quick succession
        where = QPointF(at(y, x))
        QApplication.sendEvent(
            native,
            QMouseEvent(QEvent.Type.MouseMove, where, QPointF(native.mapToGlobal(where.toPoint())), left, left, none),
        )
    QTest.mouseRelease(native, left, none, at(102, 62))
    qtbot.waitUntil(lambda: not prompts_of(edits).is_busy, timeout=20_000)
    (cell,) = edits.result
    assert is_disc(cell, 90, 50)
    QTest.keyClick(native, Qt.Key.Key_Escape)
    assert drawing_in(bare_viewer) is None
    edits.deactivate()
    session_of(bare_viewer).settle()


@pytest.mark.parametrize(
    ("button", "modifiers", "moved", "marks"),
    [(1, ("Shift",), 0, [True]), (2, (), 0, [False]), (1, ("Control",), 0, [False]), (2, (), 20, []), (1, (), 0, [])],
)
def test_shift_clicks_and_right_clicks_mark_points_while_the_model_draws(
    begin, bare_viewer, button, modifiers, moved, marks
):
    edits = begin()
    prompts_of(edits).draw("box")
    drawing, seen = drawing_in(bare_viewer), []
    drawing.on_mark = lambda point, adds: seen.append((tuple(point), adds))
    event = SimpleNamespace(type="mouse_press", button=button, pos=(50, 50), position=(30.0, 90.0), modifiers=modifiers)
    press = drawing._on_press(drawing.layer, event)
    next(press)
    event.type, event.pos = "mouse_release", (50 + moved, 50)
    next(press, None)
    assert seen == [((30.0, 90.0), adds) for adds in marks]
    assert drawing.points == []
