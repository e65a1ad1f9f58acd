"""Which tool a click uses: its button, its name beside the pointer, and when it is put away."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_centermask.widgets.edit.actions import begin_new
from napari_centermask.widgets.edit.correction import perform
from napari_centermask.widgets.edit.drawing import drawing_in
from napari_centermask.widgets.edit.keys import KEYS
from napari_centermask.widgets.edit.pointer_note import PointerNote
from napari_centermask.widgets.edit.tool_in_hand import InHand, in_hand, tool_in_hand


@pytest.mark.parametrize(
    ("mode", "drawing", "kind", "expected"),
    [
        ("", "", "", InHand()),
        ("pan_zoom", "", "", InHand()),
        ("paint", "", "", InHand("new_brush", "Brush")),
        ("erase", "", "", InHand("", "Eraser")),
        ("", "prompt_box", "box", InHand("prompt_box", "Model box")),
        ("", "split_line", "line", InHand("split_line", "Split line")),
        ("", "", "box", InHand("", "Box")),
    ],
)
def test_mode_and_drawing_name_the_tool(mode, drawing, kind, expected):
    assert in_hand(mode, drawing=drawing, kind=kind) == expected


def two_cells(edits):
    import numpy as np

    made = [edits.add(np.ones((9, 9), bool), (y, 20)) for y in (10, 60)]
    return [cell.id for cell in made]


def test_going_on_to_another_cell_puts_the_brush_away_unless_it_is_to_stay(begin):
    edits = begin()
    first, second = two_cells(edits)
    for keeps, mode in ((False, "pan_zoom"), (True, "paint")):
        edits.keeps_tool = keeps
        edits.select((first,))
        edits.active.layer.mode = "paint"
        edits.select((first,))  # the same cell, for instance in a table
        assert edits.active.layer.mode == "paint"
        edits.select((second,))
        assert edits.active.layer.mode == mode


def test_leaving_the_image_puts_the_brush_away(begin):
    edits = begin()
    begin_new(edits, mode="paint")
    edits.deactivate()
    edits.activate()
    assert edits.active.layer.mode == "pan_zoom"


def test_going_to_another_plane_puts_the_brush_away(begin):
    edits = begin(leading=(2,))
    edits.select(two_cells(edits)[:1])
    edits.active.layer.mode = "paint"
    edits.session.viewer.dims.set_current_step(0, 1)
    assert edits.active.layer.mode == "pan_zoom"


def test_going_on_to_another_cell_ends_a_drawing(begin):
    edits = begin()
    first, second = two_cells(edits)
    edits.select((first,))
    perform(edits, KEYS.actions["split_line"])
    assert tool_in_hand(edits) == InHand("split_line", "Split line")
    edits.select((second,))
    assert drawing_in(edits.session.viewer) is None
    assert tool_in_hand(edits) == InHand()


def test_the_box_of_the_model_stays_in_hand_while_it_makes_cells(begin, qtbot):
    from napari_centermask.widgets.edit.prompt import prompts_of
    from napari_centermask.widgets.edit.prompt_work import Request

    edits = begin()
    perform(edits, KEYS.actions["prompt_box"])
    prompts_of(edits).ask(Request("box", (20, 20, 41, 41), ()))
    qtbot.waitUntil(lambda: not prompts_of(edits).is_busy, timeout=20_000)
    assert len(edits.selected) == 1
    assert tool_in_hand(edits).action == "prompt_box"


def test_the_tool_is_named_beside_the_pointer(begin):
    edits = begin()
    edits.activate()
    note = next(x for x in edits.attached if isinstance(x, PointerNote))
    canvas = edits.session.viewer.window._qt_viewer.canvas.native
    canvas.resize(400, 300)

    def move(x, y):
        where, none = QPointF(x, y), Qt.MouseButton.NoButton
        key = Qt.KeyboardModifier.NoModifier
        move = QMouseEvent(QEvent.Type.MouseMove, where, QPointF(canvas.mapToGlobal(where.toPoint())), none, none, key)
        QApplication.sendEvent(canvas, move)

    move(50, 50)
    assert note.label.isHidden()
    begin_new(edits, mode="paint")
    move(50, 50)
    assert (note.label.text(), note.label.isHidden()) == ("Brush", False)
    assert note.label.pos().x() > 50
    move(399, 299)
    assert note.label.geometry().right() < 399
    edits.drop_tool()
    assert note.label.isHidden()
    edits.deactivate()
    assert note.label is None


@pytest.fixture
def two_images(viewer, engine, discs):
    """A Correct dock on the lower of two images with a cell each; the brush is in hand."""
    import numpy as np

    from napari_centermask.widgets.edit.correction import edit_session_of
    from napari_centermask.widgets.edit.dock import CorrectDock
    from napari_centermask.widgets.viewer.state import session_of

    session = session_of(viewer)
    lower, upper = (viewer.add_image(discs(), name=name).__wrapped__ for name in ("lower", "upper"))
    for source in (lower, upper):
        edit_session_of(session, source).add(np.ones((20, 20), bool), (20, 20))
    dock = CorrectDock(viewer)
    viewer.window.add_dock_widget(dock, name="Correct")
    viewer.layers.selection.active = lower
    dock.edits.select((1,))
    yield dock
    session.editing.deactivate()
    session.settle()


def test_cells_of_a_run_on_another_image_leave_the_tool_in_hand(two_images, viewer, discs):
    from napari_centermask.widgets.viewer.planes import ImagePlanes
    from napari_centermask.widgets.viewer.state import session_of

    dock = two_images
    other = viewer.add_image(discs(), name="other", blending="additive").__wrapped__
    viewer.layers.selection.active = viewer.layers["lower"]
    dock.edits.select((1,))
    dock.edits.active.layer.mode = "paint"
    picked = []
    dock.image.picked.connect(lambda: picked.append(dock.image.currentText()))
    session_of(viewer).attach(other, ImagePlanes.of(other))
    assert [layer.name for layer in viewer.layers][-2:] == ["other cells", "other outlines"]
    assert picked == []
    assert dock.edits.source.name == "lower"
    assert tool_in_hand(dock.edits) == InHand("new_brush", "Brush")
