"""Which images are predicted next, and which are left alone."""

import numpy as np
import tifffile
from project_cells import statuses

from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.project.predictions import Predictions


def test_an_image_that_was_opened_meanwhile_is_left_alone(project_dock, folder, engine, qtbot):
    project_dock.open(folder)
    project_dock.session._last = SegmentSettings(model="fake", score=0.3, diameter=20.0, percentiles=(0, 100))
    engine.gate.clear()
    project_dock.background.wanted.setChecked(True)
    qtbot.waitUntil(engine.entered.is_set, timeout=10_000)
    assert "field 1" in project_dock.background.status.text()
    project_dock.navigation.next.click()
    project_dock.background.wanted.setChecked(False)
    engine.gate.set()
    qtbot.waitUntil(lambda: not project_dock.session.predictions.runner.is_running, timeout=10_000)
    assert statuses(project_dock)[1] == "untouched"


def test_an_image_whose_file_was_replaced_is_left_out_and_the_next_ones_follow(project_dock, folder, discs, qtbot):
    project_dock.open(folder)
    project_dock.session._last = SegmentSettings(model="fake", score=0.3, diameter=20.0, percentiles=(0, 100))
    tifffile.imwrite(folder / "field 1.tif", (discs(shape=(96, 128)) * 255).astype(np.uint8))
    project_dock.background.wanted.setChecked(True)
    wanted = ["untouched", "untouched", "predicted", "predicted"]
    qtbot.waitUntil(lambda: statuses(project_dock)[:4] == wanted)
    assert "(128, 144)" in project_dock.session.predictions.failed[2]


def test_nothing_is_predicted_without_a_project():
    assert Predictions(list).next_images() == []
