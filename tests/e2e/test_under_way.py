"""What is drawn on the canvas belongs to where it began: undo, other tools, sliders and 3D in the midst of it."""

from __future__ import annotations

import numpy as np
import pytest
from hands import Hands
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.dock import CorrectDock
from napari_centermask.widgets.edit.drawing import drawing_in
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of

pytestmark = pytest.mark.gui
SHAPE = (120, 160)
LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


class HoldingHands(Hands):
    """Hands that can hold the mouse button down while they do something else."""

    def hold(self, *points):
        """Press at the first point and move over the others."""
        first, *rest = [self.at(*p) for p in points]
        QTest.mouseMove(self.native, first)
        QTest.mousePress(self.native, LEFT, NO_KEY, first)
        for point in rest:
            self.move(point, LEFT)

    def let_go(self, *points):
        """Move over points with the button down and release it at the last one."""
        for point in points:
            self.move(self.at(*point), LEFT)
        QTest.mouseRelease(self.native, LEFT, NO_KEY, self.at(*points[-1]))
        QTest.qWait(30)

    def undo(self):
        """Control and Z."""
        self.key("Z", CONTROL)


def square(y, x, side=20):
    return Instance(0, y, x, np.ones((side, side), bool))


@pytest.fixture
def hands(make_napari_viewer, monkeypatch, tmp_path):
    """Three frames; the first has three cells, of which the last was grown."""
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    viewer = make_napari_viewer(show=True)
    source = viewer.add_image(np.zeros((3, *SHAPE), np.uint8), name="image")
    result = Result(SHAPE, leading=(3,))
    result.put((0,), Instances(SHAPE, [square(20, 20), square(20, 100), square(80, 20)]))
    session_of(viewer).attach(source, ImagePlanes.of(source), result)
    viewer.dims.set_current_step(0, 0)
    edits = edit_session_of(session_of(viewer), source)
    edits.select((3,))
    edits.run_tool("grow", n=1)
    yield HoldingHands(viewer, edits)
    edits.deactivate()
    session_of(viewer).settle()


@pytest.fixture
def notices():
    """Texts of the notifications since the test began."""
    before = len(notification_manager.records)
    return lambda: [n.message for n in notification_manager.records[before:]]


def cells(hands, frame=0):
    """The cells of a frame by id."""
    return {cell.id: cell for cell in hands.edits.result.plane((frame,))}


def brush(hands, id=None, size=6):
    """Take the brush in hand for a cell, or for a new one."""
    hands.edits.activate()
    hands.edits.select(() if id is None else (id,))
    hands.viewer.layers.selection.active = hands.edits.active.layer
    hands.edits.active.layer.mode = "paint"
    hands.edits.active.layer.brush_size = size


def test_undo_takes_back_corners_before_edits_of_other_cells(hands):
    before = cells(hands)
    hands.key("N", SHIFT)
    for y, x in ((60, 60), (60, 90), (75, 90)):
        hands.click(y, x)
    for left in (2, 1, 0):
        hands.undo()
        assert hands.edits.history.undo_name == "growth of cell 3"
        assert len(hands.edits.active.layer._overlays["polygon"].points) == (left + 1 if left else 0)
    assert cells(hands) == before
    hands.undo()
    assert hands.edits.history.undo_name is None


def test_a_polygon_continues_after_a_corner_was_taken_back(hands):
    hands.key("N", SHIFT)
    for y, x in ((60, 60), (60, 80), (110, 150)):
        hands.click(y, x)
    hands.undo()
    hands.click(80, 80)
    hands.double_click(80, 60)
    QTest.qWait(30)
    assert 200 < cells(hands)[hands.edits.selected[0]].area < 250  # a triangle; the far corner is not in it


@pytest.mark.parametrize("key", ["Z", "Escape"])
def test_undo_and_escape_in_a_stroke_take_the_stroke_back(hands, key):
    before = cells(hands)
    brush(hands, 1)
    hands.hold((30, 42), (30, 50))
    hands.key(key, CONTROL if key == "Z" else NO_KEY)
    hands.let_go((30, 70))
    assert cells(hands) == before
    assert hands.edits.history.undo_name == "growth of cell 3"
    assert hands.edits.active.layer.data.sum() == 400
    hands.press_drag([(30, 42), (30, 50)])
    assert cells(hands)[1].area > 400


@pytest.mark.parametrize("key", ["K", "S"])
def test_undo_in_a_drawing_takes_its_points_back_and_then_the_last_edit(hands, key):
    before = cells(hands)
    hands.edits.select((1,))
    hands.key(key)
    if key == "K":
        hands.hold((15, 30), (45, 30))
        hands.undo()
        hands.let_go((46, 30))
    else:
        hands.click(25, 25)
        hands.click(35, 35)
        hands.undo()
        hands.undo()
    assert cells(hands) == before
    assert hands.edits.history.undo_name == "growth of cell 3"
    assert drawing_in(hands.viewer) is not None
    hands.undo()
    assert hands.edits.history.undo_name is None
    hands.key("Escape")


def test_undo_by_the_dock_takes_back_what_is_drawn_too(hands):
    dock = CorrectDock(hands.viewer)
    hands.viewer.window.add_dock_widget(dock, name="Correct")
    hands.key("N", SHIFT)
    hands.click(60, 60)
    dock.painting.undo.click()
    assert hands.edits.history.undo_name == "growth of cell 3"


@pytest.mark.parametrize("id", [1, None])
def test_the_slider_in_a_stroke_ends_it_in_its_frame(hands, id):
    brush(hands, id)
    hands.hold((60, 60), (60, 70))
    hands.viewer.dims.set_current_step(0, 1)
    hands.let_go((60, 90), (70, 90))
    assert cells(hands, 1) == {}
    painted = cells(hands)[id or 4]
    assert painted.box[3] <= 76
    assert hands.edits.selected == ()


@pytest.mark.parametrize("key", ["A", "Period", "D", "N", "R", "Q", "G"])
def test_other_keys_in_a_stroke_end_it_first(hands, key):
    before = cells(hands)
    brush(hands, 1)
    hands.hold((30, 42), (30, 50))
    hands.key(key)
    hands.let_go((30, 70), (60, 70))
    after = cells(hands)
    assert set(after) <= set(before)
    assert all(after[id] is before[id] for id in (2, 3) if id in after)
    assert all(cell.box[3] <= 60 for cell in after.values() if cell.id == 1)
    assert hands.edits.active.layer.data[55:, 60:].sum() == 0


def test_another_layer_in_a_stroke_ends_it(hands):
    brush(hands, 1)
    points = hands.viewer.add_points(np.zeros((1, 2)), name="points")
    hands.viewer.layers.selection.active = hands.edits.active.layer
    hands.edits.active.layer.mode = "paint"
    hands.hold((30, 42), (30, 50))
    hands.viewer.layers.selection.active = points
    hands.let_go((30, 70))
    hands.viewer.layers.selection.active = hands.edits.active.layer
    hands.move(hands.at(60, 60))
    hands.move(hands.at(60, 90))
    hands.edits.flush()
    assert cells(hands)[1].box[2] <= 41
    assert not hands.edits.active.is_drawing


@pytest.mark.parametrize("what", ["slider", "next"])
def test_a_polygon_is_finished_where_it_began(hands, what):
    hands.key("N", SHIFT)
    for y, x in ((60, 60), (60, 90), (75, 90)):
        hands.click(y, x)
    if what == "slider":
        hands.viewer.dims.set_current_step(0, 1)
    else:
        hands.key("Period")
    assert 4 in cells(hands)
    assert cells(hands)[4].box[:2] >= (59, 59)
    assert cells(hands, 1) == {}
    assert not hands.edits.active.is_drawing


def test_two_corners_are_not_a_cell(hands):
    before = cells(hands)
    hands.key("N", SHIFT)
    hands.click(60, 60)
    hands.click(60, 90)
    hands.viewer.dims.set_current_step(0, 1)
    assert cells(hands) == before
    assert cells(hands, 1) == {}
    assert not hands.edits.active.is_drawing


@pytest.mark.parametrize("key", ["K", "S"])
def test_the_slider_ends_a_drawing(hands, key):
    hands.edits.select((1,))
    hands.key(key)
    hands.click(25, 25)
    hands.viewer.dims.set_current_step(0, 1)
    assert drawing_in(hands.viewer) is None
    assert not any(layer.name.startswith("draw") for layer in hands.viewer.layers)


def turn(viewer, how):
    """Show the image in 3D, or with its axes rolled."""
    if how == "3D":
        viewer.dims.ndisplay = 3
    else:
        viewer.dims.order = (1, 0, 2)


@pytest.mark.parametrize("how", ["3D", "rolled"])
def test_tools_refuse_what_is_not_shown_and_say_why(hands, how, notices):
    edits, before = hands.edits, cells(hands)
    dock = CorrectDock(hands.viewer)
    hands.viewer.window.add_dock_widget(dock, name="Correct")
    edits.select((1,))
    turn(hands.viewer, how)
    hands.viewer.layers.selection.active = edits.source
    for key in "ADKSNGRJWC89":
        hands.native.setFocus()
        n = len(notices())
        hands.key(key)
        assert "2D view" in notices()[-1], key
        assert len(notices()) == n + 1, key
        hands.hold((30, 30), (40, 40))
        hands.let_go((50, 50))
    assert drawing_in(hands.viewer) is None
    assert cells(hands) == before
    assert not dock.tools.buttons["delete"].isEnabled()
    assert "2D view" in dock.tools.buttons["delete"].toolTip()
    assert not dock.active.buttons["accept"].isEnabled()
    assert dock.painting.undo.isEnabled()
    hands.viewer.dims.ndisplay, hands.viewer.dims.order = 2, (0, 1, 2)
    assert dock.tools.buttons["new_brush"].isEnabled()


@pytest.mark.parametrize("how", ["3D", "rolled"])
def test_turning_the_view_ends_what_is_drawn(hands, how):
    before = cells(hands)
    hands.edits.select((1,))
    hands.key("K")
    hands.hold((15, 30), (45, 30))
    turn(hands.viewer, how)
    hands.let_go((50, 30))
    assert drawing_in(hands.viewer) is None
    assert cells(hands) == before
    brush_after = hands.edits.active.layer
    assert not brush_after.visible
    hands.viewer.dims.ndisplay, hands.viewer.dims.order = 2, (0, 1, 2)
    assert brush_after.visible


@pytest.mark.parametrize("key", ["1", "2", "3", "4"])
def test_in_a_read_only_project_no_tool_of_napari_paints_and_the_reason_is_shown(hands, notices, key):
    before = cells(hands)
    hands.edits.select((1,))
    hands.edits.history.closed = "Another window has this project open."
    painted = []
    hands.edits.active.layer.events.paint.connect(painted.append)
    hands.key(key)
    assert hands.edits.active.layer.mode == "pan_zoom"
    hands.press_drag([(30, 42), (30, 50)])
    assert notices()[0] == "Another window has this project open."
    assert not painted
    assert cells(hands) == before
    hands.edits.history.closed = ""


def test_a_brush_in_hand_paints_nothing_once_the_project_is_read_only(hands, notices):
    before = cells(hands)
    brush(hands, 1)
    painted = []
    hands.edits.active.layer.events.paint.connect(painted.append)
    hands.edits.history.closed = "The project is closed."
    hands.press_drag([(30, 42), (30, 50)])
    assert notices() == ["The project is closed."]
    assert not painted
    assert cells(hands) == before
    hands.edits.history.closed = ""


def test_a_stroke_ends_when_the_grid_moves_the_layers(hands):
    brush(hands, 1)
    hands.hold((30, 42), (30, 50))
    getattr(hands.viewer, "canvas", hands.viewer).grid.enabled = True
    QTest.qWait(50)
    ended = cells(hands)[1].area
    assert ended > 400
    hands.let_go((30, 70))
    assert cells(hands)[1].area == ended
