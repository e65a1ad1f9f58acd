"""Correcting overlapping cells with real mouse and key events, on 2D images and on stacks with scale and translate."""

from __future__ import annotations

import numpy as np
import pytest
from hands import Hands, until

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of

pytestmark = pytest.mark.gui
SHAPE = (120, 160)
PLACES = {
    "plain": ((), 0, {}),
    "scaled stack": ((2, 3), 2, {"scale": (1, 2, 1, 0.5, 0.5), "translate": (0, 3, 0, 7, -4)}),
}


def disc(y, x, radius=14):
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return Instance.from_mask(np.hypot(yy, xx) <= radius, (y - radius, x - radius))


@pytest.fixture(params=list(PLACES))
def hands(request, make_napari_viewer):
    leading, channels, place = PLACES[request.param]
    viewer = make_napari_viewer(show=True)
    shape = (*leading, *((channels,) if channels else ()), *SHAPE)
    source = viewer.add_image(np.zeros(shape, np.uint8), name="image", **place)
    arrays = ImagePlanes.of(source, channel_axis=len(leading) if channels else None)
    result = Result(SHAPE, leading=leading)
    cells = [disc(40, 40), disc(40, 56), disc(90, 120), disc(90, 40)]
    result.put((0,) * len(leading), Instances(SHAPE, cells))
    session = session_of(viewer)
    session.attach(source, arrays, result)
    viewer.dims.set_current_step(tuple(range(len(leading))), (0,) * len(leading))
    viewer.layers.selection.active = source
    edits = edit_session_of(session, source)
    edits.activate()
    hands = Hands(viewer, edits)
    yield hands
    session.settle()


def plane(hands):
    return hands.edits.result.plane(hands.edits.current_plane)


def test_clicks_select_and_cycle_through_the_stack(hands):
    from qtpy.QtCore import Qt

    edits = hands.edits
    hands.click(40, 48)  # where 1 and 2 overlap; of equals the smaller id is on top
    assert edits.selected == (1,)
    assert hands.viewer.layers.selection.active is edits.active.layer
    hands.click(40, 48)
    assert edits.selected == (2,)
    hands.double_click(40, 48)
    assert edits.selected == (1,)
    hands.click(90, 120, modifier=Qt.KeyboardModifier.ShiftModifier)
    assert edits.selected == (1, 3)
    hands.click(10, 100)
    assert edits.selected == ()
    hands.press_drag([(40, 40), (50, 60)])  # a drag moves the view, it selects nothing
    assert edits.selected == ()


def test_the_brush_changes_the_active_cell_alone_and_keys_undo(hands):
    from qtpy.QtCore import Qt

    edits = hands.edits
    before = {i.id: i for i in plane(hands)}
    hands.click(40, 32)
    hands.key("2")
    assert edits.active.layer.mode == "paint"
    hands.press_drag([(40, 50), (40, 60), (44, 70)])
    assert edits.cell.area > before[1].area
    assert all(plane(hands)[k] is before[k] for k in (2, 3, 4))
    hands.click(90, 120, modifier=Qt.KeyboardModifier.ControlModifier)
    assert edits.selected == (3,)
    assert edits.active.layer.mode == "paint"
    assert plane(hands)[3] is before[3]
    points = hands.viewer.add_points(np.zeros((1, 2)), name="other")
    for layer in (edits.source, edits.shown.layers.cells, edits.active.layer, points):
        hands.viewer.layers.selection.active = layer
        hands.native.setFocus()
        hands.key("Z", Qt.KeyboardModifier.ControlModifier)
        assert plane(hands)[1] is before[1]
        hands.key("Z", Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
        assert plane(hands)[1].area > before[1].area


def test_a_new_cell_by_brush_and_by_polygon(hands):
    from qtpy.QtCore import Qt

    edits = hands.edits
    hands.key("N")
    hands.press_drag([(70, 70), (75, 75)])
    first = edits.cell
    assert first.id == 5
    assert first.status == "accepted"
    hands.key("N", Qt.KeyboardModifier.ShiftModifier)
    assert edits.active.layer.mode == "polygon"
    for y, x in ((60, 90), (60, 110), (75, 110)):
        hands.click(y, x)
    hands.double_click(75, 90)
    until(lambda: len(plane(hands)) == 6, seconds=5)
    assert edits.selected == (6,)
    assert 140 < edits.cell.area < 200
    assert plane(hands)[5] is first


def test_split_by_a_line_and_by_seeds_then_merge(hands):
    from qtpy.QtCore import Qt

    edits = hands.edits
    start = plane(hands)[3]
    hands.key("K")
    hands.press_drag([(72, 120), (80, 120), (90, 121), (108, 120)])
    assert len(plane(hands)) == 5
    assert edits.history.undo_name == "split of cell 3"
    assert len(edits.selected) == 2
    assert sum(plane(hands)[i].area for i in edits.selected) == start.area
    hands.key("J")
    assert len(plane(hands)) == 4
    assert np.array_equal(edits.cell.mask, start.mask)
    hands.key("S")
    hands.click(90, 112)
    hands.click(90, 128)
    hands.key("Return")
    assert len(plane(hands)) == 5
    hands.key("Z", Qt.KeyboardModifier.ControlModifier)
    assert len(plane(hands)) == 4


def test_escape_steps_back_from_drawing_brush_and_selection(hands):
    edits = hands.edits
    hands.click(90, 120)
    hands.key("2")
    hands.key("K")
    assert any(layer.name.startswith("draw") for layer in hands.viewer.layers)
    hands.key("Escape")
    assert not any(layer.name.startswith("draw") for layer in hands.viewer.layers)
    assert hands.viewer.layers.selection.active is edits.active.layer
    hands.key("Escape")
    assert edits.active.layer.mode == "pan_zoom"
    assert edits.selected == (3,)
    hands.key("Escape")
    assert edits.selected == ()
    assert edits.history.undo_name is None


def test_keys_of_the_tools(hands):
    from qtpy.QtCore import Qt

    edits = hands.edits
    hands.click(90, 120)
    area = edits.cell.area
    hands.key("G")
    assert edits.cell.area > area
    hands.key("G", Qt.KeyboardModifier.ShiftModifier)
    hands.key("PageUp")
    assert max(plane(hands), key=lambda i: i.order).id == 3
    hands.key("A")
    assert plane(hands)[3].status == "accepted"
    assert edits.selected == (4,)
    hands.key("R")
    assert plane(hands)[4].status == "rejected"
    hands.key("Escape")
    hands.click(40, 48)
    hands.key("U")
    assert edits.history.undo_name.startswith("transfer of the overlap")
    hands.key("Delete")
    assert 1 not in plane(hands)
    if edits.current_plane:
        hands.click(40, 62)
        hands.key("W")
        assert edits.current_plane[0] == 1
        assert len(plane(hands)) == 1
        hands.key("Z", Qt.KeyboardModifier.ControlModifier)
        assert len(plane(hands)) == 0


def test_the_status_line_tells_the_depth(hands):
    hands.click(40, 32)
    hands.move(hands.at(40, 48))
    assert hands.edits.active.layer.help == "2 cells here: [1] over 2"
