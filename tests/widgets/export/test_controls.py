"""What the Export dock offers, and the command that it runs."""

import pytest

from napari_centermask.widgets.export.controls import FORMS, DockState, arguments, controls, report_text

READY = {"model": "nuclei", "folder": "out"}


def test_everything_is_there():
    shown = controls(DockState(**READY))
    assert shown.start.enabled
    assert not shown.cancel.enabled
    assert not shown.open_folder.enabled


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": ""}, "no model with weights"),
        ({"folder": ""}, "Choose a folder"),
        ({"is_running": True}, "is running"),
        ({"can_export": False}, "pip install x"),
        ({"n_graphs": 1, "form": "one graph"}, "one graph in any case"),
        ({"n_graphs": 0}, "runs with PyTorch alone, in napari too"),
    ],
)
def test_a_button_that_cannot_work_says_why(changes, why):
    start = controls(DockState(**READY | changes), remedy="pip install x").start
    assert not start.enabled
    assert why in start.tooltip


def test_each_form_is_a_flag_of_the_command():
    lines = {
        form: arguments(DockState(**READY, form=form), opset="21", images=["a.tif"], overwrite=True) for form in FORMS
    }
    assert lines["two graphs"] == ("export nuclei --out out --opset 21 --overwrite --images a.tif --json".split())
    assert "--one-graph" in lines["one graph"]
    assert "--bioimageio" in lines["BioImage package"]


def test_the_report_names_files_differences_and_cells():
    images = [
        {"image": "a.tif", "cells": 7, "iou": 0.99951, "score": 0.0},
        {"image": "b", "cells": 0, "iou": 1, "score": 0},
    ]
    report = {"sha256": {"n.maps.onnx": "0"}, "opset": 20, "differences": {"maps": 2e-6}, "tolerances": {"maps": 1e-4}}
    text = report_text(report | {"images": images}).replace("&#8203;", "")
    for words in (
        "n.maps.onnx",
        "maps differs most, by 2.0e-06 of 1.0e-04 allowed",
        "a.tif: the same 7 cells, IoU 0.9995",
        "b: no cells",
    ):
        assert words in text
