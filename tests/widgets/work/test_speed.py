"""The child that measures engines gets what the run would get, and its report is shown."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_centermask.jobs.child import ChildFailed
from napari_centermask.pipeline import Plane
from napari_centermask.pipeline.progress import run_through
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.work import speed
from napari_centermask.widgets.work.speed import Speeds, measure_speeds
from napari_centermask.widgets.work.tasks import Failed

REPORT = {
    "outcome": "The engine auto now uses openvino on cpu, bfloat16.",
    "rows": [
        {
            "runtime": {"engine": "openvino", "device": "cpu", "precision": "bfloat16", "threads": None, "batch": 1},
            "seconds": 0.5,
            "agreement": 0.995,
            "memory_mb": 400.4,
            "gpu_mb": None,
        }
    ],
}
PLANE = Plane((), np.arange(3 * 1200 * 80, dtype=np.float32).reshape(3, 1200, 80))


@pytest.fixture
def child(monkeypatch):
    """What the command was given: its arguments and its image."""
    seen = []

    def run_child(arguments):
        seen.append((arguments, np.load(arguments[1])))
        yield
        return json.dumps(REPORT)

    monkeypatch.setattr(speed, "run_child", run_child)
    return seen


def test_the_middle_of_the_plane_and_the_settings_reach_the_child(child):
    settings = SegmentSettings(model="mine", channels=[2, 0], diameter=31.5, score=0.3)
    speeds = run_through(measure_speeds([PLANE], settings))
    ((arguments, image),) = child
    assert arguments[2:] == [
        *("--pick", "--json", "--axes", "CYX", "--model", "mine", "--diameter", "31.5", "--score", "0.3")
    ]
    np.testing.assert_array_equal(image, PLANE.pixels[[2, 0], 88:1112])
    assert speeds.outcome == REPORT["outcome"]
    assert speeds.text().splitlines()[1:] == ["0.50 s · 99.5 % · 400 MiB · openvino on cpu, bfloat16"]


def test_what_stops_the_child_is_a_message(monkeypatch):
    def run_child(arguments):
        yield
        raise ChildFailed("The model finds no cell in these images.")

    monkeypatch.setattr(speed, "run_child", run_child)
    failed = run_through(measure_speeds([PLANE], SegmentSettings()))
    assert failed == Failed("The model finds no cell in these images.")


def test_the_dock_shows_what_was_measured(dock, viewer):
    assert not dock.advanced.speed.isEnabled()
    viewer.add_image(PLANE.pixels[0], name="field")
    assert dock.advanced.speed.isEnabled()
    assert dock._on_measured(Speeds("It is fast now.", (("openvino on cpu", 0.5, 1.0, None),))) == "It is fast now."
    assert dock.advanced.speeds.text().endswith("\n0.50 s · 100.0 % · ? · openvino on cpu")
