"""Boxes and clicks that the model answers, off the GUI thread."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.drawing import cancel_drawing, drawing_in
from napari_centermask.widgets.edit.prompt import Request, prompts_of
from napari_centermask.widgets.viewer.state import session_of

pytestmark = pytest.mark.gui


@pytest.fixture
def viewer(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    yield viewer
    for edits in {session_of(viewer).editing} - {None}:
        qtbot.waitUntil(lambda: not prompts_of(edits).is_busy, timeout=20_000)  # noqa: B023
        edits.deactivate()
    cancel_drawing(viewer)
    session_of(viewer).settle()


@pytest.fixture
def begin(viewer, engine, discs):
    """The correction of an image of three discs (or of a stack of such), with the fake engine."""

    def begin(*, leading=(), **place):
        image = np.broadcast_to(discs(), (*leading, 128, 128)).copy()
        source = viewer.add_image(image, name="discs", **place)
        edits = edit_session_of(session_of(viewer), source)
        edits.shown.settings = SegmentSettings(diameter=20)
        return edits

    return begin


@pytest.fixture
def ask(qtbot):
    """Ask the model and wait for its answer."""

    def ask(edits, *requests):
        for request in requests:
            prompts_of(edits).ask(request)
        qtbot.waitUntil(lambda: not prompts_of(edits).is_busy, timeout=20_000)
        return list(edits.result.plane(edits.current_plane))

    return ask


def drawn(edits, viewer, *points):
    """Draw on the canvas; the layer's own callbacks are tested in test_edit_mouse."""
    drawing = drawing_in(viewer)
    drawing.points = [np.array(p, float) for p in points]
    drawing.finish()


def is_disc(cell, y, x, radius=10):
    return (
        abs(cell.area - np.pi * radius**2) < 0.15 * np.pi * radius**2
        and np.abs(np.array(cell.box) - [y - radius, x - radius, y + radius + 1, x + radius + 1]).max() <= 2
    )


def test_a_box_becomes_a_selected_cell_that_can_be_undone(begin, ask):
    edits = begin()
    (cell,) = ask(edits, Request("box", (20, 20, 41, 41), ()))
    assert is_disc(cell, 30, 30)
    assert (cell.status, cell.source, cell.score) == ("accepted", "fake", 1.0)
    assert edits.selected == (cell.id,)
    assert edits.history.undo_name == f"new cell {cell.id}"
    edits.undo()
    assert len(edits.result) == 0
    assert edits.selected == ()


def test_a_click_becomes_a_cell_and_one_beside_all_cells_says_so(begin, ask, notices):
    edits = begin()
    assert [is_disc(c, 30, 90) for c in ask(edits, Request("click", (31.0, 88.0), ()))] == [True]
    answers = []
    prompts_of(edits).answered.connect(answers.append)
    assert len(ask(edits, Request("click", (5.0, 5.0), ()))) == 1
    assert answers == [None]
    assert "no cell there" in notices()[-1]


def test_questions_are_answered_one_after_another_in_their_order(begin, ask):
    edits = begin()
    cells = ask(edits, *(Request("click", p, ()) for p in [(30.0, 30.0), (30.0, 90.0), (90.0, 50.0)]))
    assert [is_disc(c, *p) for c, p in zip(cells, [(30, 30), (30, 90), (90, 50)], strict=True)] == [True] * 3


def test_the_network_runs_once_for_prompts_at_one_place(begin, ask, engine):
    edits = begin()
    ask(edits, Request("prepare", (64.0, 64.0), ()))
    before = engine.calls
    ask(
        edits, Request("click", (30.0, 30.0), ()), Request("box", (20, 80, 41, 101), ()), Request("click", (90, 50), ())
    )
    assert engine.calls == before


def test_drawing_again_in_the_new_cells_place_redraws_it(begin, ask):
    edits = begin()
    (first,) = ask(edits, Request("box", (20, 20, 41, 34), ()))
    (cell,) = ask(edits, Request("box", (20, 20, 41, 41), ()))
    assert cell.id == first.id
    assert is_disc(cell, 30, 30)
    assert edits.history.undo_name == f"redrawing of cell {cell.id}"
    edits.undo()
    assert edits.result.get((), first.id).equals(first)
    assert len(ask(edits, Request("click", (90.0, 50.0), ()))) == 2


def test_a_selected_cell_is_redrawn_by_a_box(begin, ask, viewer, qtbot):
    edits = begin()
    edits.add(np.ones((30, 8), bool), (16, 25))
    (id,) = edits.selected
    edits.select(())
    edits.select((id,))
    prompts_of(edits).draw("box", replace_id=id)
    drawn(edits, viewer, (19.5, 19.5), (40.5, 40.5))
    assert drawing_in(viewer) is None
    (cell,) = ask(edits)
    assert cell.id == id
    assert is_disc(cell, 30, 30)


def test_boxes_drawn_one_after_another_become_cells_until_escape(begin, ask, viewer):
    edits = begin()
    prompts_of(edits).draw("box")
    drawn(edits, viewer, (19.5, 19.5), (40.5, 40.5))
    assert len(ask(edits)) == 1
    assert viewer.layers.selection.active is drawing_in(viewer).layer  # the next box can be drawn
    drawn(edits, viewer, (100.5, 60.5), (79.5, 39.5))  # from the lower right corner
    cells = ask(edits)
    assert [is_disc(c, *p) for c, p in zip(cells, [(30, 30), (90, 50)], strict=True)] == [True, True]
    cancel_drawing(viewer)
    assert drawing_in(viewer) is None


def test_prompts_go_to_the_plane_on_which_they_were_drawn(begin, ask, viewer):
    edits = begin(leading=(3,), scale=(2.0, 0.5, 0.5), translate=(1, 10, 20))
    viewer.dims.set_current_step(0, 1)
    prompts_of(edits).draw("click")
    drawn(edits, viewer, (30.0, 90.0))
    viewer.dims.set_current_step(0, 2)
    ask(edits)
    assert [len(edits.result.plane((z,))) for z in range(3)] == [0, 1, 0]
    assert is_disc(next(iter(edits.result)), 30, 90)


def test_a_missing_model_is_reported(begin, ask, monkeypatch, notices):
    from napari_centermask.core.errors import BadModel
    from napari_centermask.widgets.edit import prompt

    def missing(settings):
        raise BadModel("There is no model.")

    monkeypatch.setattr(prompt, "cached_engine", missing)
    assert ask(begin(), Request("click", (30.0, 30.0), ())) == []
    assert "There is no model." in notices()[-1]


def test_an_image_that_is_removed_meanwhile_gets_no_cell(begin, viewer, engine, qtbot):
    edits = begin()
    engine.gate.clear()
    prompts_of(edits).ask(Request("click", (30.0, 30.0), ()))
    assert engine.entered.wait(20)
    viewer.layers.remove(edits.source)
    engine.gate.set()
    qtbot.waitUntil(lambda: not prompts_of(edits).is_busy, timeout=20_000)
    assert len(edits.result) == 0


def test_a_box_drawn_with_the_mouse_after_a_key_becomes_a_cell(make_napari_viewer, engine, discs, qtbot):
    from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    viewer = make_napari_viewer(show=True)
    source = viewer.add_image(discs(), name="discs", scale=(0.5, 0.5), translate=(7, -4))
    edits = edit_session_of(session_of(viewer), source)
    edits.shown.settings = SegmentSettings(diameter=20)
    edits.activate()
    viewer.layers.selection.active = source
    viewer.reset_view()
    canvas = viewer.window._qt_viewer.canvas
    native = canvas.native
    native.setFocus()
    qtbot.wait(50)

    def at(y, x):
        wy, wx = source.data_to_world((y, x))
        px, py = canvas.view.scene.transform.map([wx, wy, 0, 1])[:2]
        return QPoint(round(px), round(py))

    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.keyClick(native, Qt.Key.Key_9)
    assert drawing_in(viewer).kind == "box"
    QTest.mousePress(native, left, none, at(78, 38))
    for y, x in [(85, 45), (95, 55), (102, 62)]:
        qtbot.wait(15)  # vispy leaves out moves in quick succession
        where = QPointF(at(y, x))
        QApplication.sendEvent(
            native, QMouseEvent(QEvent.Type.MouseMove, where, native.mapToGlobal(where), left, left, none)
        )
    QTest.mouseRelease(native, left, none, at(102, 62))
    qtbot.waitUntil(lambda: not prompts_of(edits).is_busy, timeout=20_000)
    (cell,) = edits.result
    assert is_disc(cell, 90, 50)
    QTest.keyClick(native, Qt.Key.Key_Escape)
    assert drawing_in(viewer) is None
    edits.deactivate()
    session_of(viewer).settle()
