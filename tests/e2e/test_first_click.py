"""A new user's first minutes: sample, dock, Run, threshold, Cancel; real events, the shipped model, real cells."""

from __future__ import annotations

import os
import sys

import pytest

os.environ["NAPARI_STRICT_QT"] = "1"
PLUGIN = "napari-centermask"
TRUE_CELLS = 126  # annotated in this test image of BBBC038


@pytest.fixture
def shipped_model():
    """The shipped model; a source tree before its training has none."""
    from napari_centermask.core.errors import BadModel
    from napari_centermask.models.store.zoo import find_model

    try:
        return find_model("nuclei")
    except BadModel as error:
        pytest.skip(str(error))


@pytest.fixture
def dock(shipped_model, make_napari_viewer, qtbot):
    """The dock as the Plugins menu opens it, beside the sample as File > Open Sample opens it."""
    viewer = make_napari_viewer(show=True)
    viewer.open_sample(PLUGIN, "nuclei_fluorescence")
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    yield dock
    dock.session.runner.cancel()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=60_000)


def wait_for_end(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=120_000)


def test_sample_run_threshold_and_cancel(dock, qtbot):
    from qtpy.QtCore import Qt

    viewer = dock._viewer
    qtbot.mouseClick(dock.run.start, Qt.MouseButton.LeftButton)
    wait_for_end(dock, qtbot)
    cells = viewer.layers["nuclei cells"]
    n_first = dock.session.result(dock.source).n_visible()
    assert n_first == pytest.approx(TRUE_CELLS, rel=0.15)
    assert len(cells.features) == len(dock.session.result(dock.source))
    assert 15 < cells.features["area"].median() ** 0.5 < 40

    slider = dock.cells.score._slider
    before = cells.data.copy()
    while slider.value() < 90:
        qtbot.keyClick(slider, Qt.Key.Key_PageUp)
    assert dock.session.result(dock.source).n_visible() < n_first
    assert (cells.data > 0).sum() < (before > 0).sum()

    dock.advanced.form.set_value({"tile": 128, "overlap": 32})
    seen = []

    def cancel_at_the_first_tile(advance):
        seen.append(advance.message)
        if "Tile" in advance.message and dock.run.cancel.isEnabled():
            qtbot.mouseClick(dock.run.cancel, Qt.MouseButton.LeftButton)

    dock.session.runner.advanced.connect(cancel_at_the_first_tile)
    qtbot.mouseClick(dock.run.start, Qt.MouseButton.LeftButton)
    wait_for_end(dock, qtbot)
    dock.session.runner.advanced.disconnect(cancel_at_the_first_tile)
    assert sum("Tile" in m for m in seen) == 1
    assert dock.run.status.text() == "Cancelled."
    assert "nuclei cells" in viewer.layers  # the earlier result stays
    assert not {"torch", "torchvision"} & set(sys.modules)


def test_cells_appear_on_the_canvas(dock, qtbot):
    from qtpy.QtCore import Qt

    viewer = dock._viewer
    viewer.layers.selection.active = viewer.layers["nuclei"]
    grey = coloured_part(viewer)
    qtbot.mouseClick(dock.run.start, Qt.MouseButton.LeftButton)
    wait_for_end(dock, qtbot)
    qtbot.wait(50)
    assert grey < 0.01
    assert 0.05 < coloured_part(viewer) < 0.6


def coloured_part(viewer):
    """Which part of the canvas is not grey."""
    colours = viewer.screenshot(flash=False)[..., :3].astype(int)
    return ((colours.max(axis=-1) - colours.min(axis=-1)) > 30).mean()
