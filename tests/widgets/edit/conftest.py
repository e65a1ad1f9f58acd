"""Images that are corrected: in a bare viewer, with the model, in the dock and in the review."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_centermask.core.columns import Columns
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.viewer.planes import ImagePlanes

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def bare_viewer(make_napari_viewer, qtbot):
    """A viewer as napari has it, without the proxy of plugins; what is drawn or asked in it ends with the test."""
    from napari_centermask.widgets.edit.drawing import cancel_drawing
    from napari_centermask.widgets.edit.prompt import prompts_of
    from napari_centermask.widgets.viewer.state import session_of

    viewer = make_napari_viewer()
    yield viewer
    session = session_of(viewer)
    if session.editing is not None:
        prompts = prompts_of(session.editing)
        qtbot.waitUntil(lambda: not prompts.is_busy, timeout=20_000)
        session.editing.deactivate()
    cancel_drawing(viewer)
    session.settle()


@pytest.fixture
def begin(bare_viewer, engine, discs):
    """The correction of an image of three discs (or of a stack of such), with the fake engine."""
    from napari_centermask.widgets.edit.correction import edit_session_of
    from napari_centermask.widgets.viewer.state import session_of

    def begin(*, leading=(), **place):
        image = np.broadcast_to(discs(), (*leading, 128, 128)).copy()
        source = bare_viewer.add_image(image, name="discs", **place)
        edits = edit_session_of(session_of(bare_viewer), source)
        edits.shown.settings = SegmentSettings(diameter=20)
        return edits

    return begin


@pytest.fixture
def ask(qtbot):
    """Ask the model and wait for its answer."""
    from napari_centermask.widgets.edit.prompt import prompts_of

    def ask(edits, *requests):
        for request in requests:
            prompts_of(edits).ask(request)
        qtbot.waitUntil(lambda: not prompts_of(edits).is_busy, timeout=20_000)
        return list(edits.result.plane(edits.current_plane))

    return ask


@pytest.fixture
def keys_file(tmp_path, monkeypatch):
    """Keys of the test alone."""
    from napari_centermask.widgets.edit.keys import KEYS

    monkeypatch.setattr(KEYS, "_path", tmp_path / "keys.json")
    monkeypatch.setattr(KEYS, "_chosen", {})
    return tmp_path / "keys.json"


@pytest.fixture
def dock(make_napari_viewer, keys_file):
    """The dock beside an image with four squares, two of which overlap."""
    from napari_centermask.widgets.edit.dock import CorrectDock
    from napari_centermask.widgets.viewer.state import session_of

    shape = (96, 128)
    viewer = make_napari_viewer()
    source = viewer.add_image(np.zeros((2, *shape), np.uint8), name="image")
    result = Result(shape, leading=(2,))
    result.categories = {1: "cell", 2: "dead"}
    squares = [(10, 10), (20, 20), (60, 60), (60, 100)]
    cells = [Instance(0, y, x, np.ones((20, 20), bool)) for y, x in squares]
    result.put((0,), Instances(shape, cells, categories=result.categories))
    session_of(viewer).attach(source, ImagePlanes.of(source), result)
    dock = CorrectDock(viewer)
    viewer.window.add_dock_widget(dock, name="Correct")
    viewer.dims.set_current_step(0, 0)
    yield dock
    dock.session.settle()


@pytest.fixture
def columns(cells):
    """30 cells of two planes, of all statuses and two categories; all is measured."""
    result = Result((256, 256), leading=(2,), threshold=0.6)
    statuses = ["predicted", "predicted", "accepted", "corrected", "rejected"]
    for plane in range(2):
        instances = cells(n=15, overlap=0.5, seed=plane)
        some = [
            replace(c, id=0, status=statuses[n % 5], category=1 + n % 2, source=f"model {n % 3}")
            for n, c in enumerate(instances)
        ]
        result.put((plane,), Instances(result.shape, some, categories={1: "round", 2: "long"}))
    made = Columns(result)
    made.measure()
    return made


@pytest.fixture
def open_dock(viewer, qtbot):
    """A review dock on an image with these cells, by plane."""
    from review_field import SHAPE

    from napari_centermask.widgets.edit.review_dock import ReviewDock
    from napari_centermask.widgets.viewer.state import session_of

    def opened(planes, *, leading=(), **layer):
        image = viewer.add_image(np.zeros((*leading, *SHAPE), np.float32), name="field", **layer).__wrapped__
        result = Result(SHAPE, leading=leading, name="field")
        for index, cells in planes.items():
            result.put(index, Instances(SHAPE, cells), keep_ids=True)
        session_of(viewer).attach(image, ImagePlanes.of(image), result)
        dock = ReviewDock(viewer)
        viewer.window.add_dock_widget(dock, name="Review")
        qtbot.waitUntil(lambda: not dock.review._timer.isActive(), timeout=5000)
        dock.settle()
        return dock

    return opened
