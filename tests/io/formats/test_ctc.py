"""Results of the Cell Tracking Challenge: what label images can hold comes back, and what they cannot is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadAnnotations, BadSettings
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.core.tracks import TIME, Lineage, Way
from napari_centermask.io.formats import ctc
from napari_centermask.io.formats.files import format_named, read_files


def series(rows, leading=(5,)):
    """Cells (plane, id, x, track, parent)."""
    result = Result((30, 60), leading=leading, name="01_RES")
    for index, id, x, track, parent in rows:
        index = index if isinstance(index, tuple) else (index,)
        result.set(index, id, Instance(id, 4, x, np.ones((6, 6), bool), status="accepted", track=track, parent=parent))
    return result


ROWS = [
    *((0, 1, 4, 5, 0), (1, 2, 5, 5, 0), (2, 3, 4, 6, 5), (2, 4, 20, 7, 5)),  # 5 divides into 6 and 7
    *((3, 5, 20, 7, 5), (0, 6, 40, 8, 0), (3, 7, 40, 8, 0), (4, 8, 40, 8, 0)),  # 8 has a gap
]


def drawn(result):
    """Where each track is, by frame."""
    return {(t.id, s.index): s.cell.box for t in Lineage(result) for s in t.spots}


def test_tracks_divisions_and_gaps_come_back(tmp_path):
    before = series(ROWS)
    written = ctc.write_series(tmp_path, before, TIME)
    assert [p.name for p in written.files] == ["res_track.txt", *(f"mask{n:03}.tif" for n in range(5))]
    lines = (tmp_path / "res_track.txt").read_text().splitlines()
    assert lines == ["5 0 1 0", "6 2 2 5", "7 2 3 5", "8 0 0 0", "9 3 4 8"]
    assert written.notes == ("1 gap: the track ends there and goes on as a new one, as the challenge wants it.",)
    first = tifffile.imread(tmp_path / "mask000.tif")
    assert (first.dtype, first.shape, set(np.unique(first))) == (np.uint16, (30, 60), {0, 5, 8})
    given, reading = read_files(tmp_path, format_named("ctc", to_read=True))
    (after,) = reading.results
    assert (given.name, reading.notes, after.leading) == ("ctc", (), (5,))
    assert drawn(after) == drawn(before)
    assert {t.id: t.parent for t in Lineage(after)} == {5: 0, 6: 5, 7: 5, 8: 0}
    assert set(written.files) == set(reading.files)


def test_slices_are_written_as_stacks(tmp_path):
    before = series([((0, 0), 1, 4, 1, 0), ((0, 2), 2, 5, 1, 0), ((1, 1), 3, 4, 1, 0)], leading=(2, 3))
    ctc.write_series(tmp_path, before, TIME)
    assert tifffile.imread(tmp_path / "mask000.tif").shape == (3, 30, 60)
    (after,) = ctc.read(tmp_path).results
    assert drawn(after) == drawn(before)


def test_what_overlap_costs_is_said_and_a_covered_cell_is_a_gap(tmp_path):
    before = series(
        [(0, 1, 4, 1, 0), (0, 2, 8, 2, 0), (1, 3, 4, 1, 0), (1, 4, 4, 2, 0), (2, 5, 4, 1, 0), (2, 6, 9, 0, 0)]
    )
    for index, cell in before.placed():
        before.set(index, cell.id, replace(cell, order=float(cell.id)))
    written = ctc.write_series(tmp_path, before, TIME)
    overlap, gap, alone = written.notes
    assert overlap.startswith(
        "A label image has one cell at each pixel: 2 cells lost the parts under other cells, 1 disappeared,"
    )
    assert "49 pixels" not in overlap
    assert "(" not in overlap
    assert gap.startswith("1 gap")
    assert alone == "1 cell on no track: each is written as a track of one frame."
    lines = {tuple(map(int, line.split())) for line in (tmp_path / "res_track.txt").read_text().splitlines()}
    for label, first, last, _ in lines:
        there = [at for at in range(5) if label in tifffile.imread(tmp_path / f"mask{at:03}.tif")]
        assert there == list(range(first, last + 1))


def test_a_real_single_daughter_stays_a_daughter(tmp_path):
    ctc.write_series(tmp_path, series([(0, 1, 4, 1, 0), (1, 2, 5, 2, 1)]), TIME)
    (after,) = ctc.read(tmp_path).results
    assert {t.id: t.parent for t in Lineage(after)} == {1: 0, 2: 1}


def test_mothers_and_daughters_with_gaps_come_back(tmp_path):
    mother = [(0, 1, 4, 1, 0), (2, 2, 4, 1, 0)]
    ctc.write_series(tmp_path, series([*mother, (3, 3, 4, 2, 1), (5, 4, 4, 2, 1), (3, 5, 20, 3, 1)], (6,)), TIME)
    (after,) = ctc.read(tmp_path).results
    assert {(cell.track, cell.parent) for cell in after} == {(1, 0), (2, 1), (3, 1)}


def test_ground_truth_names_its_files_otherwise(tmp_path):
    written = ctc.write_series(tmp_path / "a", series(ROWS), TIME)
    folder = tmp_path / "02_GT" / "TRA"
    folder.mkdir(parents=True)
    for path in written.files:
        path.rename(folder / path.name.replace("mask", "man_track").replace("res_", "man_"))
    (after,) = ctc.read(folder).results
    assert drawn(after) == drawn(series(ROWS))
    assert after.name == "02"
    _, reading = read_files(folder)  # as before, frame by frame
    assert len(reading.results) == 5
    assert any("--from ctc" in note for note in reading.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 0", "four whole numbers"),
        ("1 0 0 0\n1 1 1 0", "a track twice"),
        ("0 0 0 0", "from 1 to"),
        ("a b c d", "four"),
    ],
)
def test_a_damaged_text_is_refused(tmp_path, text, message):
    ctc.write_series(tmp_path, series(ROWS), TIME)
    (tmp_path / "res_track.txt").write_text(text)
    with pytest.raises(BadAnnotations, match=message):
        ctc.read(tmp_path)


def test_folders_without_tracks_and_frames_of_different_sizes_are_refused(tmp_path):
    with pytest.raises(BadAnnotations, match="is not a result of the Cell Tracking Challenge"):
        ctc.read(tmp_path)
    ctc.write_series(tmp_path, series(ROWS), TIME)
    tifffile.imwrite(tmp_path / "mask004.tif", np.zeros((9, 9), np.uint16))
    with pytest.raises(BadAnnotations, match="another size"):
        ctc.read(tmp_path)


def test_labels_without_a_line_are_cells_without_a_track(tmp_path):
    ctc.write_series(tmp_path, series(ROWS), TIME)
    (tmp_path / "res_track.txt").write_text("5 0 1 0\n")
    reading = ctc.read(tmp_path)
    assert reading.notes == ("4 labels in the frames that res_track.txt does not name; such cells have no track.",)
    assert {cell.track for cell in reading.results[0]} == {0, 5}


def test_what_the_challenge_cannot_hold_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(BadSettings, match="time axis"):
        ctc.write_series(tmp_path, series(ROWS), Way(0, is_depth=True))
    with pytest.raises(BadSettings, match="labels up to 65,535"):
        ctc.write_series(tmp_path, series([(0, 1, 4, 70_000, 0)]), TIME)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_frames_of_a_longer_series_is_refused_and_stays_as_it_was(tmp_path):
    longer = ctc.write_series(tmp_path, series(ROWS, (7,)), TIME).files
    before = {path: path.read_bytes() for path in longer}
    with pytest.raises(BadSettings, match=r"frames of another series: mask005\.tif and 1 more"):
        ctc.write_series(tmp_path, series(ROWS), TIME)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    ctc.write_series(tmp_path, series(ROWS, (7,)), TIME)  # the same frames are replaced


@pytest.mark.parametrize("name", ["mask0000.tif", "man_track004.tif", "mask004.tiff"])
def test_frames_with_other_names_are_in_the_way(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(BadSettings, match="Choose another folder, or delete them"):
        ctc.series_files(tmp_path, series(ROWS), TIME)
