"""The Export dock: it runs the command in a child process, shows the report, cancels, and fits a narrow column."""

from __future__ import annotations

import json
from threading import Event

import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QMainWindow

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.export import tasks
from napari_centermask.widgets.export.dock import ExportDock

REPORT = '{"sha256": {"nuclei.dense.onnx": "0"}, "opset": 20, "differences": {}, "tolerances": {}, "images": []}'


@pytest.fixture
def dock(qtbot, tmp_path):
    window = QMainWindow()
    qtbot.addWidget(window)
    dock = ExportDock(ViewerModel())
    window.setCentralWidget(dock)
    window.resize(330, 768)
    window.show()
    dock.choose_folder(str(tmp_path))
    dock.form.model.choose("unet-nuclei")
    yield dock
    dock.runner.cancel()


@pytest.fixture
def commands(monkeypatch):
    """The commands that were run, each of which says what it does and writes a report."""
    ran = []

    def run_child(arguments):
        ran.append(arguments)
        yield "Tracing the network"
        yield "Comparing with torch"
        return REPORT

    monkeypatch.setattr(tasks, "run_child", run_child)
    monkeypatch.setattr("napari_centermask.widgets.export.dock.find_spec", lambda name: name)
    return ran


def test_an_export_shows_its_report_and_the_way_to_the_files(dock, commands, qtbot, tmp_path):
    dock._refresh()
    assert not dock.report.isVisible()
    dock.run.start.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=30_000)
    assert commands == [["export", "unet-nuclei", "--out", str(tmp_path), "--opset", "20", "--json"]]
    assert "nuclei.dense.onnx" in dock.report.text.text().replace("&#8203;", "")
    assert dock.report.open_folder.isEnabled()
    assert "opset 20" in dock.run.status.text()


def test_a_failure_is_shown_and_nothing_is_claimed(dock, commands, monkeypatch, qtbot):
    shown = []

    def run_child(arguments):
        yield ""
        raise UserError("In field.tif, torch finds 3 cells and ONNX Runtime 2.")

    monkeypatch.setattr(tasks, "run_child", run_child)
    monkeypatch.setattr("napari_centermask.widgets.export.dock.notify", lambda *words: shown.append(words[0]))
    dock._refresh()
    dock.run.start.click()
    qtbot.waitUntil(lambda: not dock.runner.is_running, timeout=30_000)
    assert shown == ["In field.tif, torch finds 3 cells and ONNX Runtime 2."]
    assert dock.run.status.text() == "Nothing was written."
    assert not dock.report.isVisible()


def test_cancel_ends_the_export(dock, commands, monkeypatch, qtbot):
    ended = Event()

    def run_child(arguments):
        try:
            while not ended.wait(0.02):  # as a child process is looked at now and then
                yield "Tracing the network"
        finally:
            ended.set()

    monkeypatch.setattr(tasks, "run_child", run_child)
    dock._refresh()
    dock.run.start.click()
    qtbot.waitUntil(lambda: "Tracing" in dock.run.status.text(), timeout=30_000)
    dock.run.cancel.click()
    qtbot.waitUntil(ended.is_set, timeout=30_000)
    assert "Cancelled" in dock.run.status.text()


def test_it_fits_a_narrow_column(dock):
    dock.form.form.setCurrentText("BioImage package")
    image = {"image": "a_very_long_name_of_an_image_of_cells_in_phase_contrast.ome.tif", "cells": 3, "iou": 1.0}
    dock._on_ended(json.loads(REPORT) | {"images": [image]})
    assert dock.minimumSizeHint().width() <= 330
    assert dock.window().height() <= 768
