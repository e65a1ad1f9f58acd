"""`track` follows cells through a file of cells, and writes what was asked for."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from napari_centermask import cli
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.records import records_of, result_of


def disc(y, x, radius):
    yy, xx = np.mgrid[: 2 * radius + 1, : 2 * radius + 1] - radius
    return Instance(0, y - radius, x - radius, yy**2 + xx**2 <= radius**2, status="accepted")


@pytest.fixture
def coco(tmp_path):
    """A cell that moves, crosses another, and one that divides, in a file with a single image."""
    result = Result((120, 120), leading=(5,), name="series.tif")
    for t in range(5):
        cells = [disc(30, 20 + 12 * t, 8), disc(30, 68 - 12 * t, 8)]
        cells += [disc(90, 60, 12)] if t < 2 else [disc(90, 60 - 6 - 2 * t, 8), disc(90, 60 + 6 + 2 * t, 8)]
        result.put((t,), Instances(result.shape, cells))
    single = Result((20, 20), name="single.png")
    single.put((), Instances((20, 20), [disc(8, 8, 3)]))
    records = records_of(result, "series.tif")
    write_coco(tmp_path / "cells.json", records + records_of(single, "single.png", first_id=len(records) + 1))
    return tmp_path / "cells.json"


def series(path):
    return result_of([r for r in read_coco(path) if r.file_name == "series.tif"])


def test_tracks_are_written_in_all_forms_and_masks_stay_as_they_were(coco, tmp_path, capsys):
    out, table, folder = tmp_path / "tracked.json", tmp_path / "tracks.csv", tmp_path / "01_RES"
    assert cli.run(["track", str(coco), "--out", str(out), "--csv", str(table), "--ctc", str(folder), "--json"]) == 0
    said = capsys.readouterr()
    summary = json.loads(said.out)
    assert (summary["series"], summary["tracks"], summary["divisions"]) == (1, 5, 1)
    assert "1 single image left out" in said.err
    assert "One cell at each pixel" in said.err or "one cell at each pixel" in said.err
    before, after = series(coco), series(out)
    assert all(np.array_equal(a.mask, b.mask) and a.box == b.box for a, b in zip(before, after, strict=True))
    crossing = [cell.track for cell in after if cell.box[0] < 60]
    assert len(set(crossing)) == 2
    daughters = {cell.track: cell.parent for cell in after if cell.box[0] > 60}
    assert sorted(daughters.values()) == [0, min(daughters), min(daughters)]
    with table.open() as stream:
        assert len(list(csv.DictReader(stream))) == len(after)
    assert len(list(folder.glob("mask*.tif"))) == 5
    assert cli.run(["convert", str(folder), str(tmp_path / "back.json"), "--from", "ctc"]) == 0
    (back,) = {r.leading for r in read_coco(tmp_path / "back.json")}
    assert back == (5,)


def test_tracks_of_a_file_can_be_kept_and_exported(coco, tmp_path):
    out, table = tmp_path / "tracked.json", tmp_path / "tracks.csv"
    assert cli.run(["track", str(coco), "--out", str(out), "--no-divisions"]) == 0
    before = {cell.id: (cell.track, cell.parent) for cell in series(out)}
    assert not any(parent for _, parent in before.values())
    assert cli.run(["track", str(out), "--keep", "--csv", str(table)]) == 0
    with table.open() as stream:
        assert {int(row["cell"]): (int(row["track"]), 0) for row in csv.DictReader(stream)} == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "Nothing to write"),
        (["--out", "labels.tif"], "cannot keep tracks"),
        (["--out", "t.json", "--axis", "1"], "Expected a time series"),
        (["--out", "cells.json"], "is read here"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_work(coco, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari_centermask.cli.track.set_tracks", lambda *_: pytest.fail("It worked first."))
    assert cli.run(["track", "cells.json", *flags]) == 2
    assert message in capsys.readouterr().err


def test_frames_of_a_longer_series_are_in_the_way_whatever_may_be_replaced(coco, tmp_path, capsys):
    folder = tmp_path / "01_RES"
    folder.mkdir()
    (folder / "mask005.tif").touch()
    assert cli.run(["track", str(coco), "--ctc", str(folder), "--overwrite"]) == 2
    assert "frames of another series: mask005.tif." in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["mask005.tif"]
