"""Cells are saved from a dock in every format, also where cells and outlines are selected together."""

from __future__ import annotations

import csv
import threading

import numpy as np
import pytest
from qtpy.QtCore import qInstallMessageHandler
from qtpy.QtWidgets import QFileDialog

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.recovery import recovery_folder
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.viewer import saving
from napari_centermask.widgets.viewer.save_button import SaveButton
from napari_centermask.widgets.viewer.saving import MEASURES, chosen, filters, save_control
from napari_centermask.widgets.viewer.state import session_of

FILTER = {name: text for text, name in filters().items()}


@pytest.mark.parametrize(
    ("typed", "format", "expected"),
    [
        ("cells", "coco", ("cells.json", "coco")),
        ("cells.json", "coco", ("cells.json", "coco")),
        ("cells.json", "labels", ("cells.json", "coco")),  # what was typed says what is wanted
        ("cells", "labels", ("cells_labels.tif", "labels")),
        ("cells.tif", "coco", ("cells.tif", "labels")),
        ("cells.npy", "cellpose", ("cells_seg.npy", "cellpose")),
        ("cells", "imagej", ("cells_rois.zip", "imagej")),
        ("cells.zarr", "coco", ("cells.zarr", "ome-zarr")),
        ("cells.zarr", "ome-zarr-0.5", ("cells.zarr", "ome-zarr-0.5")),
        ("cells.ome.zarr", "ome-zarr-0.5", ("cells.ome.zarr", "ome-zarr-0.5")),
        ("cells", "ome-zarr-0.5", ("cells.ome.zarr", "ome-zarr-0.5")),
        ("plate.1", "measures", ("plate.1.csv", "measures")),
    ],
)
def test_the_typed_ending_or_else_the_filter_decides(typed, format, expected):
    path, name = chosen(typed, FILTER[format])
    assert (path.name, name) == expected


def test_all_formats_and_the_measurements_are_offered_coco_first():
    assert list(filters().values()) == [*FORMATS, MEASURES]
    assert next(iter(filters())) == "COCO instances (*.json)"


@pytest.mark.parametrize(
    ("image", "n", "reason"), [("", 0, "There is no image."), ("a", 0, "'a' has no cells to save."), ("a", 2, "")]
)
def test_the_button_says_why_there_is_nothing_to_save(image, n, reason):
    shown = save_control(image, n)
    assert shown.enabled == (not reason)
    assert reason in shown.tooltip


@pytest.fixture
def segmented(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    assert not dock.save.isEnabled()
    run_to_end()
    return dock


@pytest.mark.parametrize("format", [name for name in FORMATS if not name.startswith("ome-zarr")])
def test_every_format_is_saved_by_the_button(segmented, format, tmp_path, qtbot, notices):
    path = tmp_path / f"cells{FORMATS[format].ending}"
    segmented.save.save(str(path), FILTER[format])
    qtbot.waitUntil(lambda: not segmented.save.runner.is_running, timeout=20_000)
    (result,) = FORMATS[format].read(path).results
    assert len(result) == 3
    assert any(text.startswith(f"Saved 3 cells in {path}") for text in notices())


def test_measurements_are_a_table_with_a_row_for_each_cell(segmented, tmp_path, qtbot):
    segmented.save.save(str(tmp_path / "cells"), FILTER[MEASURES])
    qtbot.waitUntil(lambda: not segmented.save.runner.is_running, timeout=20_000)
    with (tmp_path / "cells.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3
    assert float(rows[0]["mean_Grey"]) > 0


def test_the_image_is_never_replaced_by_its_cells(viewer, dock, run_to_end, discs, tmp_path, qtbot, notices):
    import tifffile

    path = tmp_path / "discs.tif"
    tifffile.imwrite(path, discs())
    viewer.open(path, plugin="napari")
    run_to_end()
    before = path.read_bytes()
    dock.save.save(str(path), FILTER["labels"])
    qtbot.waitUntil(lambda: not dock.save.runner.is_running, timeout=20_000)
    assert path.read_bytes() == before
    assert "writing would replace it" in notices()[-1]


@pytest.mark.usefixtures("plugin")
def test_cells_and_outlines_selected_together_are_saved_as_the_cells(viewer, segmented, tmp_path):
    viewer.layers.selection = {viewer.layers["discs cells"], viewer.layers["discs outlines"]}
    assert viewer.layers.save(str(tmp_path / "out.json"), selected=True) == [str(tmp_path / "out.json")]
    (record,) = read_coco(tmp_path / "out.json")
    assert len(record.instances) == 3
    assert all(np.count_nonzero(c.mask) > 100 for c in record.instances)


@pytest.mark.usefixtures("plugin")
def test_layers_of_other_cells_among_the_selected_ones_are_refused_and_that_of_the_active_cell_is_not(
    viewer, segmented, tmp_path
):
    edits = edit_session_of(segmented.session, segmented.source)
    edits.activate()
    viewer.layers.selection = {viewer.layers["discs cells"], viewer.layers["discs active cell"]}
    assert viewer.layers.save(str(tmp_path / "own.json"), selected=True)
    viewer.add_labels(np.eye(128, dtype=np.uint8), name="of others")
    viewer.layers.selection = {viewer.layers["discs cells"], viewer.layers["of others"]}
    with pytest.raises(BadSettings, match="do not belong to one image"):
        viewer.layers.save(str(tmp_path / "out.json"), selected=True)
    assert not (tmp_path / "out.json").exists()
    edits.deactivate()


@pytest.fixture
def corrected(segmented):
    """The correction of the segmented image, with a cell by a person."""
    edits = edit_session_of(segmented.session, segmented.source)
    edits.add(np.ones((7, 7), bool), (60, 10))
    return edits


def is_kept():
    """Whether the edits would be offered after a crash."""
    return any(path.stat().st_size for path in recovery_folder().glob("*/journal.jsonl"))


@pytest.mark.parametrize(("format", "kept"), [("coco", False), (MEASURES, True)])
def test_only_a_file_that_holds_the_cells_ends_what_is_kept_for_a_crash(
    segmented, corrected, format, kept, tmp_path, qtbot
):
    segmented.save.save(str(tmp_path / "cells"), FILTER[format])
    qtbot.waitUntil(lambda: not segmented.save.runner.is_running, timeout=20_000)
    assert is_kept() == kept


def test_cells_drawn_while_a_file_is_written_stay_kept_for_a_crash(segmented, corrected, tmp_path, qtbot, monkeypatch):
    may_write, write = threading.Event(), saving._write

    def write_late(*args):
        may_write.wait(20)
        return write(*args)

    monkeypatch.setattr(saving, "_write", write_late)
    segmented.save.save(str(tmp_path / "cells.json"))
    corrected.add(np.ones((7, 7), bool), (100, 100))
    may_write.set()
    qtbot.waitUntil(lambda: not segmented.save.runner.is_running, timeout=20_000)
    assert len(read_coco(tmp_path / "cells.json")[0].instances) == 4
    assert is_kept()


def test_the_cells_that_were_there_before_the_dialog_are_saved(viewer, segmented, tmp_path, qtbot, monkeypatch, discs):
    def choose(*_):
        viewer.add_image(discs()[:64], name="other")  # as a project does when the next image is loaded
        edit_session_of(segmented.session, segmented.source).add(np.ones((7, 7), bool), (4, 4))
        return str(tmp_path / "discs.json"), FILTER["coco"]

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    segmented.save.ask()
    qtbot.waitUntil(lambda: not segmented.save.runner.is_running, timeout=20_000)
    assert segmented.source.name == "other"
    assert len(read_coco(tmp_path / "discs.json")[0].instances) == 3


def test_a_button_that_qt_deletes_ends_without_a_warning(viewer, qtbot):
    button, gone, said = SaveButton(session_of(viewer), lambda: None), [], []
    button.destroyed.connect(lambda: gone.append(True))
    before = qInstallMessageHandler(lambda *message: said.append(message[-1]))
    try:
        button.deleteLater()
        qtbot.waitUntil(lambda: bool(gone), timeout=30_000)
    finally:
        qInstallMessageHandler(before)
    assert said == []
