"""Single images: what a person did is there again after the viewer died."""

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.io.recovery import recovery_folder
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.review_dock import ReviewDock
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of, state_of
from napari_centermask.widgets.viewer.writer import write_coco


def add(viewer, name="field"):
    return viewer.add_image(np.zeros((64, 64), np.float32), name=name).__wrapped__


def predicted():
    result = Result((64, 64), name="field")
    result.put((), Instances((64, 64), [Instance(0, 5, 5, np.ones((9, 9), bool), score=0.9)]))
    return result


@pytest.fixture
def died(make_napari_viewer_proxy):
    """A viewer with a prediction that a person corrected, and its session."""

    viewer = make_napari_viewer_proxy()
    session = session_of(viewer)
    image = add(viewer)
    session.attach(image, ImagePlanes.of(image), predicted())
    edits = edit_session_of(session, image)
    edits.run_tool("accept", ids=(1,))
    edits.add(np.ones((7, 7), bool), (40, 40))
    state_of(viewer).autosaves._kept.pop(image)[1].close()
    return viewer, session, image, edits


def test_unsaved_work_is_offered_and_taken_back(died, viewer, notices, qtbot):
    *_, before = died
    session_of(viewer)
    image = add(viewer)
    assert "'field' has unsaved work from" in notices()[-1]
    assert "2 cells" in notices()[-1]
    dock = ReviewDock(viewer)
    viewer.window.add_dock_widget(dock)
    restore, _ = dock.message.buttons
    restore.click()
    result = session_of(viewer).result(image)
    assert result.plane(()).equals(before.result.plane(()))
    assert str(dock.review.progress) == "2 of 2 reviewed"
    assert dock.message.isHidden()
    dock.edits.undo()
    assert len(result) == 0


def test_unsaved_work_can_be_forgotten(died, viewer):
    image = add(viewer)
    autosaves = state_of(viewer).autosaves
    assert autosaves.offer(image) is not None
    autosaves.discard(image)
    assert autosaves.offer(image) is None
    assert not list(recovery_folder().glob("*/journal.jsonl"))


def test_another_image_is_offered_nothing(died, viewer):
    session_of(viewer)
    assert state_of(viewer).autosaves.offer(add(viewer, name="other")) is None


def test_predictions_alone_leave_nothing_on_the_disk(viewer):
    session = session_of(viewer)
    image = add(viewer)
    session.attach(image, ImagePlanes.of(image), predicted())
    assert not recovery_folder().exists()


def test_saving_ends_the_offer(make_napari_viewer_proxy, viewer, tmp_path):
    session = session_of(viewer)
    image = add(viewer)
    session.attach(image, ImagePlanes.of(image), predicted())
    edit_session_of(session, image).run_tool("accept", ids=(1,))
    cells = session.shown(image).layers.cells
    write_coco(str(tmp_path / "cells.json"), cells.data, cells.as_layer_data_tuple()[1])
    again = make_napari_viewer_proxy()
    session_of(again)
    assert state_of(again).autosaves.offer(add(again)) is None
