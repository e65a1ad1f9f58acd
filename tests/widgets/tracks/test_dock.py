"""The tracks dock: runs, clicks on the canvas, the table, undo, and what edits of cells leave of tracks."""

from __future__ import annotations

import csv
import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_centermask.core.tracks import Lineage
from napari_centermask.widgets.edit.clicks import click
from napari_centermask.widgets.viewer.state import session_of

MOVING = [[(30, 20 + 10 * t, 8), (60, 90 - 10 * t, 8)] for t in range(4)]


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def followed(dock, qtbot):
    """Press the button and wait for the end."""
    press(dock.follow.follow if dock.axes.time is not None else dock.follow.join)
    qtbot.waitUntil(lambda: not dock.following.runner.is_running, timeout=30_000)
    return {cell.id: (cell.track, cell.parent) for cell in dock.edits.result}


def pointed(dock, plane, id):
    """Go to a plane, unless it is in view, and click a cell as `ClickSelect` does."""
    dock.edits.go_to(plane)
    cell = dock.edits.result.get(plane, id)
    y, x = cell.y0 + cell.mask.shape[0] // 2, cell.x0 + cell.mask.shape[1] // 2
    click(dock.edits, (*plane, y, x))


def test_one_button_tracks_and_one_undo_takes_it_back(open_dock, qtbot):
    dock = open_dock(*MOVING)
    found = followed(dock, qtbot)
    assert set(found.values()) == {(1, 0), (2, 0)}
    assert dock.follow.status.text().startswith("2 tracks, 0 divisions, 0 gaps closed")
    qtbot.waitUntil(lambda: dock.list.count.text() == "2 tracks", timeout=30_000)
    assert dock.list.table.rows.data(dock.list.table.rows.index(0, 1)) == "0–3"
    qtbot.waitUntil(lambda: dock._layer.layer is not None, timeout=30_000)
    layer = dock._layer.layer
    assert layer in list(dock._viewer.layers)
    np.testing.assert_array_equal(np.unique(layer.data[:, 0]), [1, 2])
    assert layer.data.shape == (8, 4)
    assert dock.edits.shown.layers.mode == "track"
    colours = dock.edits.shown.layers.cells.colormap.colors
    np.testing.assert_array_equal(colours[1], colours[3])  # the same cell in two frames
    dock.edits.undo()
    assert {cell.track for cell in dock.edits.result} == {0}
    qtbot.waitUntil(lambda: dock.list.table.missing.startswith("No tracks yet."), timeout=30_000)
    qtbot.waitUntil(lambda: dock._layer.layer is None, timeout=30_000)


def test_cancel_leaves_the_tracks_as_they_were(open_dock, qtbot, monkeypatch):
    from napari_centermask.pipeline.progress import Progress
    from napari_centermask.widgets.tracks import following

    def endless(*_, **__):
        while True:
            yield Progress(0, 1, "Frame 1")

    monkeypatch.setattr(following, "track_cells", endless)
    dock = open_dock(*MOVING)
    press(dock.follow.follow)
    qtbot.waitUntil(lambda: dock.follow.cancel.isEnabled(), timeout=30_000)
    assert not dock.follow.follow.isEnabled()
    press(dock.follow.cancel)
    qtbot.waitUntil(lambda: not dock.following.runner.is_running, timeout=30_000)
    assert dock.follow.status.text() == "Cancelled; the tracks are as they were."
    assert dock.edits.history.undo_name is None


@pytest.mark.parametrize(("name", "axis"), [("track_cells", "t"), ("join_slices", "z")])
def test_a_run_sees_no_edit_before_its_thread_has_begun(open_dock, qtbot, monkeypatch, name, axis):
    from napari_centermask.pipeline import tracking
    from napari_centermask.widgets.tracks import following

    may_begin, seen, work = threading.Event(), [], getattr(tracking, name)

    def late(result, settings, *, way):
        assert may_begin.wait(30)
        seen.append(len(result))
        return (yield from work(result, settings, way=way))

    monkeypatch.setattr(following, name, late)
    dock = open_dock(*MOVING, axis_labels=(axis, "y", "x"))
    press(dock.follow.follow if axis == "t" else dock.follow.join)
    dock.edits.run_tool("delete", [1], plane=(0,))
    may_begin.set()
    qtbot.waitUntil(lambda: not dock.following.runner.is_running, timeout=30_000)
    assert seen == [8]


def test_edits_during_a_run_are_not_overwritten(open_dock, qtbot, monkeypatch):
    from napari_centermask.pipeline.tracking import track_cells
    from napari_centermask.widgets.tracks import following

    dock = open_dock(*MOVING)
    started = []

    def slow(result, settings, *, way):
        found = yield from track_cells(result, settings, way=way)
        while not started:
            yield next(track_cells(result, settings, way=way))
        return found

    monkeypatch.setattr(following, "track_cells", slow)
    press(dock.follow.follow)
    dock.edits.run_tool("delete", [1], plane=(0,))
    started.append(True)
    qtbot.waitUntil(lambda: not dock.following.runner.is_running, timeout=30_000)
    assert "nothing was tracked" in dock.follow.status.text()
    assert {cell.track for cell in dock.edits.result} == {0}


def test_clicks_link_cells_frame_after_frame(open_dock, viewer, qtbot):
    dock = open_dock(*MOVING)
    press(dock.correct.tools["link"])
    assert dock.correct.hint.text().startswith("Click a cell.")
    pointed(dock, (0,), 1)
    assert viewer.dims.current_step[0] == dock.edits.current_plane[0] == 1  # the next frame is in view
    assert dock.correct.hint.text().startswith("Click cell 1 of frame 0 here")
    pointed(dock, (1,), 3)
    pointed(dock, (2,), 5)
    assert [dock.edits.result.get((t,), 2 * t + 1).track for t in range(4)] == [1, 1, 1, 0]
    assert dock.edits.history.undo_name == "link of cell 3 to cell 5"
    canvas = viewer.__wrapped__.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    assert dock.tool.kind is None
    assert not dock.correct.tools["link"].isChecked()
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert [dock.edits.result.get((t,), 2 * t + 1).track for t in range(3)] == [1, 1, 0]


def test_a_division_is_marked_by_three_clicks_and_a_cut_by_one(open_dock, qtbot):
    dock = open_dock([(40, 60, 12)], [(40, 50, 8), (40, 70, 8)], [(40, 48, 8), (40, 72, 8)])
    dock.settings.divisions.setChecked(False)
    followed(dock, qtbot)
    press(dock.correct.tools["divide"])
    pointed(dock, (0,), 1)
    pointed(dock, (1,), 2)
    pointed(dock, (1,), 3)
    (mother,) = Lineage(dock.edits.result).divisions()
    tracks = Lineage(dock.edits.result).tracks
    assert sorted([s.cell.id for s in tracks[child].spots] for child in mother.children) == [[2, 4], [3, 5]]
    press(dock.correct.tools["cut"])
    assert not dock.correct.tools["divide"].isChecked()
    pointed(dock, (2,), 5)
    assert dock.edits.result.get((2,), 5).parent == 0
    assert dock.edits.history.undo_name == "cut of the track of cell 5"


def test_where_cells_overlap_the_second_click_means_the_likest(open_dock, qtbot):
    dock = open_dock([(40, 60, 14)], [(40, 60, 14), (40, 60, 5)])
    top = dock.edits.result.get((1,), 3)
    assert dock.edits.at(40, 60) is not None
    press(dock.correct.tools["link"])
    pointed(dock, (0,), 1)
    pointed(dock, (1,), top.id)
    assert (dock.edits.result.get((1,), 2).track, dock.edits.result.get((1,), 3).track) == (1, 0)


def test_a_tool_is_put_away_by_another_and_a_click_selects_again(open_dock):
    dock = open_dock(*MOVING)
    press(dock.correct.tools["link"])
    assert dock.edits.click_tool.label == "Link"
    dock.edits.active.layer.mode = "paint"
    assert dock.tool.kind is None
    dock.edits.active.layer.mode = "pan_zoom"
    pointed(dock, (0,), 2)
    assert dock.edits.selected == (2,)


def test_deleted_and_split_cells_leave_sound_tracks(open_dock, qtbot):
    dock = open_dock(*MOVING)
    followed(dock, qtbot)
    dock.edits.run_tool("delete", [3], plane=(1,))
    dock.edits.run_tool("split_line", [5], plane=(2,), line=np.array([(20, 40), (40, 40)]))
    lineage = Lineage(dock.edits.result)
    assert [s.index for s in lineage.tracks[1].spots] == [(0,), (2,), (3,)]
    assert len(lineage) == 2
    qtbot.waitUntil(lambda: ", 1 cell on none" in dock.list.count.text(), timeout=30_000)


def test_slices_are_joined_and_have_volumes(open_dock, qtbot):
    dock = open_dock(*[[(30, 30, 8), (30, 40, 8)]] * 3, axis_labels=("z", "y", "x"))
    assert dock.axis.currentData() == "z"
    assert not dock.follow.follow.isVisibleTo(dock)
    followed(dock, qtbot)
    assert dock.follow.status.text() == "2 3-D cells."
    rows = dock.list.table.rows
    qtbot.waitUntil(lambda: rows.rowCount() == 2, timeout=30_000)
    assert [rows.data(rows.index(0, c)) for c in range(3)] == ["1", "0–2", "591"]
    dock.settings.pixel.setValue(0.5)
    dock.settings.slice.setValue(2.0)
    qtbot.waitUntil(lambda: rows.columnCount() == 4, timeout=30_000)
    assert rows.data(rows.index(0, 3)) == "295.5"
    assert not dock.correct.tools["divide"].isEnabled()


def test_the_distance_of_slices_is_known_only_in_micrometres(open_dock):
    for unit, expected in (("um", (0.5, 3.0)), ("pixel", (0.5, None))):
        dock = open_dock(
            *[[(30, 30, 8)]] * 3, axis_labels=("z", "y", "x"), scale=(3, 0.5, 0.5), units=(unit, "um", "um")
        )
        assert dock.settings.sizes == expected


def test_nothing_else_is_exported_while_a_file_is_being_written(open_dock, qtbot, tmp_path):
    from napari_centermask.widgets.tracks.export import Exported

    dock, may_end = open_dock(*MOVING), threading.Event()
    followed(dock, qtbot)

    def write(path):
        assert may_end.wait(30)
        return Exported(path, "nothing")

    dock.export.start(tmp_path / "t.csv", write)
    assert not dock.list.export.isEnabled()
    may_end.set()
    qtbot.waitUntil(dock.list.export.isEnabled, timeout=30_000)


def test_a_failed_export_names_the_page_about_its_error(open_dock, qtbot, tmp_path, monkeypatch):
    from napari_centermask.core.errors import CannotSave
    from napari_centermask.widgets.tracks import export

    shown = []
    monkeypatch.setattr(export, "notify", lambda *message: shown.append(message))

    def write(path):
        raise CannotSave("The disk is full.")

    dock = open_dock(*MOVING)
    dock.export.start(tmp_path / "t.csv", write)
    qtbot.waitUntil(lambda: not dock.export.runner.is_running, timeout=30_000)
    assert shown == [("The disk is full.", CannotSave.page)]


def test_the_meaning_of_an_axis_can_be_changed(open_dock, qtbot):
    dock = open_dock(*MOVING)
    assert dock.axis.currentData() == "t"
    dock.axis.setCurrentIndex(1)
    dock.axis.activated.emit(1)
    assert dock.axes.depth is not None
    assert dock.follow.join.isVisibleTo(dock)


def test_time_and_depth_offer_both(open_dock, qtbot):
    dock = open_dock(*[[(30, 30 + 4 * t, 8)] for t in range(2) for _ in range(2)], leading=(2, 2))
    press(dock.follow.join)
    qtbot.waitUntil(lambda: not dock.following.runner.is_running, timeout=30_000)
    assert {cell.id: cell.track for cell in dock.edits.result} == {1: 1, 2: 1, 3: 2, 4: 2}
    press(dock.follow.follow)
    qtbot.waitUntil(lambda: not dock.following.runner.is_running, timeout=30_000)
    assert {cell.track for cell in dock.edits.result} == {1}
    whole = [[1, 0, 0.5, 30, 30], [1, 1, 0.5, 30, 34]]  # one line for both slices
    qtbot.waitUntil(lambda: dock._layer.layer is not None and dock._layer.layer.data.tolist() == whole, timeout=30_000)


def test_a_click_in_the_table_goes_to_the_cell(open_dock, viewer, qtbot):
    dock = open_dock([], *MOVING[1:])
    followed(dock, qtbot)
    qtbot.waitUntil(lambda: dock.list.table.rows.rowCount() == 2, timeout=30_000)
    dock._on_picked(1)
    assert dock.edits.selected == (2,)
    assert viewer.dims.current_step[0] == 1


def test_tracks_are_exported_as_they_are(open_dock, qtbot, tmp_path, notices):
    from napari_centermask.widgets.tracks.export import challenge, tracks_table

    dock = open_dock(*MOVING)
    followed(dock, qtbot)
    for path, write in (
        (tmp_path / "t.csv", tracks_table(dock.edits.result, dock.axes.time, 0.5)),
        (tmp_path / "01_RES", challenge(dock.edits.result, dock.axes.time)),
    ):
        dock.export.start(path, write)
        qtbot.waitUntil(lambda: not dock.export.runner.is_running, timeout=30_000)
    with (tmp_path / "t.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 8
    assert (tmp_path / "01_RES" / "res_track.txt").read_text() == "1 0 3 0\n2 0 3 0\n"


def test_all_tracks_are_cleared_as_one_edit(open_dock, qtbot):
    dock = open_dock(*MOVING)
    followed(dock, qtbot)
    press(dock.list.clear)
    assert {cell.track for cell in dock.edits.result} == {0}
    dock.edits.undo()
    assert {cell.track for cell in dock.edits.result} == {1, 2}


@pytest.mark.parametrize("leading", [(), (1,)])
def test_a_single_image_says_why_nothing_can_be_done(open_dock, leading):
    dock = open_dock([(30, 30, 8)], leading=leading) if leading else open_dock([(30, 30, 8)])
    assert not dock.follow.follow.isEnabled()
    assert dock.follow.follow.toolTip()


def test_an_image_without_cells_enables_nothing(viewer, qtbot):
    from napari_centermask.widgets.tracks.dock import TracksDock

    dock = TracksDock(viewer)
    viewer.window.add_dock_widget(dock, name="Tracks")
    viewer.add_image(np.zeros((3, 20, 20), np.float32))
    assert not dock.follow.follow.isEnabled()
    assert dock.list.table.missing == "Segment all planes, then track the cells here."


def test_the_dock_fits_a_small_screen(open_dock, qtbot):
    dock = open_dock(*MOVING)
    followed(dock, qtbot)
    dock.settings.fold.expand(False)
    assert dock.minimumSizeHint().width() <= 330
    assert dock.minimumSizeHint().height() <= 500


def test_closing_the_dock_removes_its_layer_and_puts_its_tool_away(open_dock, viewer, qtbot):
    dock = open_dock(*MOVING)
    followed(dock, qtbot)
    qtbot.waitUntil(lambda: dock._layer.layer is not None, timeout=30_000)
    press(dock.correct.tools["link"])
    edits = dock.edits
    dock.links.end()
    assert edits.click_tool is None
    assert not [layer for layer in viewer.layers if layer.name.endswith("tracks")]
    session_of(viewer).settle()
