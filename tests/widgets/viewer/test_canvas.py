"""Layers of ours while napari removes layers itself: in a loop over those that are selected, or all."""

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication, QEvent

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.edit.candidates import candidates_of
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of

SHAPE = (64, 80)


@pytest.fixture
def busy(viewer, qtbot):
    """Two images with cells; in one of them a cell is being corrected, and missed cells are shown."""
    session = session_of(viewer)
    for name in ("a", "b"):
        image = viewer.add_image(np.zeros(SHAPE, np.float32), name=name).__wrapped__
        result = Result(SHAPE, threshold=0.5)
        cells = [
            Instance(0, 10, 10, np.ones((9, 9), bool), score=0.9),
            Instance(0, 40, 40, np.ones((9, 9), bool), score=0.3),
        ]
        result.put((), Instances(SHAPE, cells))
        session.attach(image, ImagePlanes.of(image), result)
    edits = edit_session_of(session, image)
    edits.select((1,))
    candidates_of(edits).show()
    yield viewer
    qtbot.wait(10)
    session.settle()


def quiet(viewer, qtbot):
    """Wait until ours have left, one after the other."""
    qtbot.wait(1)
    qtbot.waitUntil(lambda: not session_of(viewer).canvas.is_taking_turns)


def select_all_and_bin(layers):
    layers.select_all()
    layers.remove_selected()


def delete_all(layers):
    del layers[:]


def image_and_bin(layers):
    layers.selection = {layers["b"], layers["b active cell"], layers["b cells"], layers["b low-confidence candidates"]}
    layers.remove_selected()


@pytest.mark.parametrize("remove", [select_all_and_bin, delete_all, lambda layers: layers.clear()])
def test_all_layers_can_be_removed_at_once(busy, remove, qtbot):
    remove(busy.__wrapped__.layers)
    quiet(busy, qtbot)
    assert len(busy.layers) == 0


def test_an_image_can_be_removed_together_with_its_layers(busy, qtbot):
    image_and_bin(busy.__wrapped__.layers)
    quiet(busy, qtbot)
    left = {layer.name for layer in busy.layers} - {"b outlines"}  # they are the user's if the image went first
    assert left == {"a", "a cells", "a outlines"}


def test_a_single_deletion_takes_what_belongs_to_it_along(busy, qtbot):
    layers = busy.__wrapped__.layers
    layers.remove(layers["b cells"])
    quiet(busy, qtbot)
    assert {layer.name for layer in layers} == {"a", "b", "a cells", "a outlines"}


def test_a_reused_layer_lies_above_the_image_that_came_after_it(viewer, qtbot):
    canvas = session_of(viewer).canvas
    first = viewer.add_image(np.zeros(SHAPE, np.float32), name="first").__wrapped__
    cells = canvas.labels(np.zeros(SHAPE, np.int32), role="cells", name="first cells")
    canvas.add(first, cells)
    canvas.take_out_soon(cells, role="cells")
    viewer.layers.remove(first)
    second = viewer.add_image(np.ones(SHAPE, np.float32), name="second").__wrapped__
    again = canvas.labels(np.ones(SHAPE, np.int32), role="cells", name="second cells")
    canvas.add(second, again)
    assert again is cells
    assert [layer.name for layer in viewer.layers] == ["second", "second cells"]
    quiet(viewer, qtbot)
    assert again in viewer.layers


def test_what_comes_soon_comes_in_turns_of_its_own_and_what_is_dropped_does_not(viewer, qtbot):
    canvas, seen = session_of(viewer).canvas, []
    image = viewer.add_image(np.zeros(SHAPE, np.float32), name="image").__wrapped__
    layer = canvas.labels(np.zeros(SHAPE, np.int32), role="cells", name="cells")
    tasks = [lambda: seen.append("a"), lambda: seen.append("dropped"), lambda: seen.append("b")]
    viewer.layers.events.inserted.connect(lambda event: seen.append(event.value.name))
    canvas.add_soon(image, layer)
    for task in (*tasks, tasks[0]):
        canvas.soon(task)
    canvas.drop(tasks[1])
    assert seen == []
    quiet(viewer, qtbot)
    assert seen == ["a", "b", "cells"]


def test_a_layer_that_comes_soon_is_there_at_once_if_it_is_needed_and_never_if_it_leaves(viewer, qtbot):
    canvas = session_of(viewer).canvas
    image = viewer.add_image(np.zeros(SHAPE, np.float32), name="image").__wrapped__
    needed, left, orphan = (
        canvas.labels(np.zeros(SHAPE, np.int32), role="cells", name=name) for name in ("needed", "left", "orphan")
    )
    other = viewer.add_image(np.zeros(SHAPE, np.float32), name="other").__wrapped__
    for source, layer in ((image, needed), (image, left), (other, orphan)):
        canvas.add_soon(source, layer)
    canvas.add(image, needed)
    canvas.take_out_soon(left)
    viewer.layers.remove(other)
    assert needed in viewer.layers
    quiet(viewer, qtbot)
    assert {layer.name for layer in viewer.layers} == {"image", "needed"}


def test_the_canvas_is_drawn_after_the_turn_in_which_layers_come(viewer, qtbot):
    canvas = session_of(viewer).canvas
    native = viewer.__wrapped__.window._qt_viewer.canvas.native
    with canvas.in_turns():
        assert canvas.is_taking_turns
        assert not native.updatesEnabled()
    assert not canvas.is_taking_turns
    qtbot.waitUntil(native.updatesEnabled)


def test_an_error_in_one_turn_does_not_keep_back_the_others(viewer, qtbot):
    canvas, seen = session_of(viewer).canvas, []
    canvas.soon(lambda: seen[0])
    canvas.soon(lambda: seen.append("next"))
    with qtbot.capture_exceptions() as errors:
        quiet(viewer, qtbot)
    assert seen == ["next"]
    assert [kind for kind, *_ in errors] == [IndexError]


def test_a_program_that_ends_without_an_event_loop_ends_the_canvas_though_qt_has_deleted_its_timers(viewer, qtbot):
    canvas = session_of(viewer).canvas
    canvas._one_more.deleteLater()
    QCoreApplication.sendPostedEvents(canvas._one_more, QEvent.Type.DeferredDelete)
    with pytest.raises(RuntimeError, match="deleted"):
        canvas._one_more.isActive()
    canvas.take_back_soon()
    canvas.soon(lambda: None)
    canvas.end()
