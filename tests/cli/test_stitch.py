"""`stitch` joins slices to 3-D cells and gives their volumes."""

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


@pytest.fixture
def coco(tmp_path):
    """Two cells that overlap in all of three slices, at two moments."""
    result = Result((60, 60), leading=(2, 3), name="stack.tif")
    for index in np.ndindex(2, 3):
        cells = [Instance(0, 10, x, np.ones((20, 20), bool), status="accepted") for x in (10, 24)]
        result.put(index, Instances(result.shape, cells))
    write_coco(tmp_path / "cells.json", records_of(result, "stack.tif"))
    return tmp_path / "cells.json"


def test_slices_are_joined_at_each_moment_with_volumes(coco, tmp_path, capsys):
    out, table = tmp_path / "joined.json", tmp_path / "volumes.csv"
    sizes = ["--pixel-size", "0.5", "--slice-distance", "2"]
    assert cli.run(["stitch", str(coco), "--out", str(out), "--csv", str(table), *sizes, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"] == 4
    joined = result_of(read_coco(out))
    assert sorted(len({c.track for c in joined.plane(index)}) for index in joined.planes) == [2] * 6
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["frame"], row["voxels"], row["volume_um3"]) for row in rows] == [
        *(("0", "1200.0", "600.0"),) * 2,
        *(("1", "1200.0", "600.0"),) * 2,
    ]


def test_joined_cells_are_tracked_through_time(coco, tmp_path, capsys):
    joined, tracked = tmp_path / "joined.json", tmp_path / "tracked.json"
    assert cli.run(["stitch", str(coco), "--out", str(joined)]) == 0
    assert cli.run(["track", str(joined), "--out", str(tracked)]) == 0
    assert {cell.track for cell in result_of(read_coco(tracked))} == {1, 2}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "Nothing to write"),
        (["--csv", "v.csv", "--pixel-size", "0.2"], "need both --pixel-size and --slice-distance"),
        (["--out", "o.json", "--axis", "2"], "Expected a z stack"),
        (["--out", "labels.tif"], "cannot keep tracks"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_work(coco, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari_centermask.cli.stitch.set_tracks", lambda *_: pytest.fail("It worked first."))
    assert cli.run(["stitch", "cells.json", *flags]) == 2
    assert message in capsys.readouterr().err
