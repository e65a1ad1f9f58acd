"""Measurements of the image in view."""

import csv

from qtpy.QtWidgets import QFileDialog
from stained_cells import drag, field


def test_measurements_of_the_image_are_written_with_the_categories_as_they_are_shown(
    viewer, open_dock, tmp_path, qtbot, monkeypatch
):
    dock = open_dock({(0,): field(), (1,): field(10)}, leading=(2,), axis_labels=("t", "y", "x"))
    drag(dock, 0.3)
    path = tmp_path / "cells.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(path), ""))
    dock.measuring.this.trigger()
    assert not dock.export.isEnabled()
    qtbot.waitUntil(lambda: not dock.measuring.runner.is_running, timeout=20_000)
    with path.open() as stream:
        table = list(csv.DictReader(stream))
    assert [(r["t"], r["id"], r["category"]) for r in table[:3]] == [
        ("0", "1", "live"),
        ("0", "2", "dead"),
        ("0", "3", "dead"),
    ]
    assert (len(table), table[1]["p_dead"], table[0]["mean_Grey"]) == (12, "0.4", "0")
    with (tmp_path / "cells_counts.csv").open() as stream:
        assert [r["viability_percent"] for r in csv.DictReader(stream)] == ["50", "50"]
    assert dock.export.isEnabled()
