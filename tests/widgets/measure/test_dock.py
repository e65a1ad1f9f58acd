"""The Measure dock: what it shows is what the command line writes, and its selection is that of the canvas."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QDockWidget

from napari_centermask import cli
from napari_centermask.core.errors import UserError
from napari_centermask.core.history import Change
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.records import records_of


def test_the_dock_and_the_command_line_give_the_same_values(open_measure, tmp_path):
    dock = open_measure()
    write_coco(tmp_path / "cells.json", records_of(dock.shown.result, "field.tif", shown=True))
    out = tmp_path / "cells.csv"
    assert cli.run(["measure", str(tmp_path / "cells.json"), "--images", str(tmp_path), "--out", str(out)]) == 0
    with out.open(newline="") as stream:
        written = {int(row["id"]): row for row in csv.DictReader(stream)}
    columns = dock.measured.columns
    assert set(written) == set(dock.measured.ids.tolist())
    assert list(next(iter(written.values()))) == list(columns)
    for name in dock.measured.numeric:
        for id, value in zip(dock.measured.ids.tolist(), columns[name].tolist(), strict=True):
            text = written[id][name]
            assert (float(text) if text else np.nan) == pytest.approx(value, rel=1e-6, nan_ok=True), (id, name)
    assert {"area_um2", "neighbours", "mean_DAPI", "corrected_mean_GFP"} <= set(dock.measured.numeric)


def test_the_table_has_a_row_for_each_cell_with_units_in_the_headings(open_measure):
    dock = open_measure()
    model = dock.table.cells
    assert model.rowCount() == len(dock.shown.result)
    headings = [model.headerData(k, Qt.Orientation.Horizontal) for k in range(model.columnCount())]
    assert headings[:4] == ["Id", "Category", "Area (µm²)", "Area (px)"]
    assert {"Perimeter (µm)", "Perimeter (px)", "Mean DAPI", "Mean GFP", "Neighbours"} <= set(headings)
    assert dock.about.text() == f"{model.rowCount()} cells · channels DAPI, GFP · 0.5 µm/px."


def test_cells_selected_in_the_table_are_selected_in_the_plots_and_on_the_canvas(open_measure, edits, qtbot):
    dock = open_measure()
    with qtbot.waitExposed(dock.window()):
        dock.window().show()
    view = dock.table.viewport()
    for row, modifier in ((1, Qt.KeyboardModifier.NoModifier), (3, Qt.KeyboardModifier.ControlModifier)):
        place = dock.table.visualRect(dock.table.cells.index(row, 0)).center()
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton, modifier, QPoint(place))
    chosen = set(dock.table.cells.ids_at([1, 3]))
    assert set(edits(dock).selected) == chosen
    assert set(dock.histogram.selected) == set(dock.scatter.selected) == chosen
    assert dock.chosen.text().startswith("2 of ")
    dock.clear.click()
    assert edits(dock).selected == ()
    assert not dock.table.selectionModel().hasSelection()


def test_cells_selected_on_the_canvas_are_selected_in_the_dock(open_measure, edits):
    dock = open_measure()
    some = dock.measured.ids[[2, 5]].tolist()
    edits(dock).select(some)
    rows = [index.row() for index in dock.table.selectionModel().selectedRows()]
    assert set(dock.table.cells.ids_at(rows)) == set(some) == set(dock.scatter.selected)


def test_a_selection_over_several_frames_stays_while_you_look_at_each(viewer, open_measure, edits):
    dock = open_measure(planes=3, n=6)
    viewer.dims.set_current_step(0, 0)
    times = dock.measured.columns["t"]
    some = [int(dock.measured.ids[times == t][0]) for t in range(3)]
    dock.scatter.picked.emit(some)
    assert edits(dock).selected == (some[0],)
    viewer.dims.set_current_step(0, 2)
    assert dock.selection.ids == tuple(some)
    assert edits(dock).selected == (some[2],)
    dock.table.picked.emit([some[1]])
    assert edits(dock).current_plane == (1,)
    assert edits(dock).selected == (some[1],)


def test_cells_are_measured_again_after_an_edit_and_the_selection_stays(open_measure, edits, qtbot):
    dock = open_measure()
    id, other = dock.measured.ids[[0, 1]].tolist()
    dock.select([id])
    cell = edits(dock).result.get((), other)
    edits(dock).do("delete", [Change((), other, cell, None)])
    assert dock.state().is_stale
    open_measure.wait(dock)
    assert other not in dock.measured.ids
    assert dock.selection.ids == (id,)
    edits(dock).undo()
    open_measure.wait(dock)
    assert other in dock.measured.ids


def test_slow_measuring_waits_for_a_click_and_a_dock_behind_another_for_its_turn(open_measure, edits):
    dock = open_measure()
    id = int(dock.measured.ids[0])
    before = dock.measured = replace(dock.measured, seconds=100.0)
    edits(dock).run_tool("delete", [id])
    open_measure.wait(dock)
    assert dock.measured is before
    assert "press Measure" in dock.about.text()
    dock.again.click()
    open_measure.wait(dock)
    assert id not in dock.measured.ids
    dock.on_left()
    edits(dock).undo()
    open_measure.wait(dock)
    assert id not in dock.measured.ids
    dock.on_entered()
    open_measure.wait(dock)
    assert id in dock.measured.ids


def test_painting_that_cannot_be_applied_is_a_message_when_cells_are_measured(open_measure, monkeypatch, notices):
    def fail():
        raise UserError("The project is read-only.")

    dock = open_measure()
    with monkeypatch.context() as patch:
        patch.setattr(dock.shown.edits, "flush", fail)
        dock._on_cells_changed()
        open_measure.wait(dock)
    assert notices() == ["The project is read-only."]


def test_without_cells_the_dock_says_what_would_fill_it(viewer, qtbot):
    from napari_centermask.widgets.measure.dock import MeasureDock

    dock = MeasureDock(viewer)
    viewer.window.add_dock_widget(dock, name="CenterMask: Measure")
    assert dock.about.text().startswith("Open an image")
    assert not dock.again.isEnabled()
    viewer.add_image(np.zeros((30, 30)), name="blank")
    assert dock.about.text().startswith("There are no cells yet")
    assert "no cells" in dock.exporting.button.toolTip()


def test_the_table_works_without_pyqtgraph(open_measure, monkeypatch):
    from napari_centermask.widgets.measure import plots

    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    dock = open_measure()
    assert dock.table.cells.rowCount() == len(dock.measured.ids) > 0
    dock.select(dock.measured.ids[:2].tolist())
    assert dock.histogram.widget is None


def test_a_dock_of_330_pixels_cuts_nothing(open_measure):
    dock = open_measure()
    assert dock.minimumSizeHint().width() <= 330
    assert all(dock.tabs.tabText(k) for k in range(3))


def test_the_way_to_viability_is_one_click(open_measure, plugin):
    dock = open_measure()
    dock.viability.click()
    assert "ViabilityDock" in [type(frame.widget()).__name__ for frame in dock.window().findChildren(QDockWidget)]
