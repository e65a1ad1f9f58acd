"""The file that is written."""

import csv
from pathlib import Path

import pytest
from qtpy.QtWidgets import QFileDialog

from napari_centermask.core.errors import MissingExtra
from napari_centermask.io import tables
from napari_centermask.widgets.measure.export_part import table_path

CSV, PARQUET = "CSV (*.csv)", "Parquet (*.parquet)"


@pytest.mark.parametrize(
    ("typed", "filter", "path"),
    [
        ("a.csv", CSV, "a.csv"),
        ("measurements.csv", PARQUET, "measurements.parquet"),
        ("a.parquet", CSV, "a.parquet"),
        ("a", PARQUET, "a.parquet"),
        ("a.b", CSV, "a.b.csv"),
        ("a.csv", "", "a.csv"),
    ],
)
def test_an_ending_that_was_typed_decides(typed, filter, path):
    assert table_path(f"/x/{typed}", filter) == Path("/x") / path


@pytest.mark.parametrize(("filter", "name"), [(CSV, "cells.csv"), (PARQUET, "cells.parquet")])
def test_the_rows_of_the_dock_are_written(open_measure, tmp_path, qtbot, monkeypatch, filter, name):
    if filter == PARQUET:
        pytest.importorskip("pyarrow")
    dock = open_measure()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(tmp_path / "cells.csv"), filter))
    dock.exporting.this.trigger()
    qtbot.waitUntil(lambda: not dock.exporting.runner.is_running, timeout=30_000)
    if filter == PARQUET:
        from pyarrow.parquet import read_table

        ids = read_table(tmp_path / name)["id"].to_pylist()
    else:
        with (tmp_path / name).open() as stream:
            ids = [int(row["id"]) for row in csv.DictReader(stream)]
    assert ids == dock.measured.ids.tolist()


def test_parquet_without_pyarrow_says_what_is_missing(open_measure, tmp_path, monkeypatch):
    dock = open_measure()
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pyarrow"):
        dock.exporting.start(tmp_path / "cells.parquet")
    assert not dock.exporting.runner.is_running
