"""Tables of tracks and of 3-D cells."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.core.tracks import TIME, Way, solids
from napari_centermask.io.track_tables import write_solids, write_tracks


def boxes(rows, leading):
    """Cells (plane, id, track, parent, side)."""
    result = Result((40, 40), leading=leading)
    for index, id, track, parent, side in rows:
        result.set(index, id, Instance(id, 5, 5, np.ones((side, side), bool), track=track, parent=parent))
    return result


def table(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_row_for_each_cell_of_a_track(tmp_path):
    result = boxes([((0,), 1, 4, 0, 3), ((1,), 2, 5, 4, 5), ((2,), 3, 0, 0, 5)], (3,))
    assert write_tracks(tmp_path / "t.csv", result, TIME, pixel_um=0.5) == 2
    first, second = table(tmp_path / "t.csv")
    assert first == {
        "track": "4",
        "parent": "0",
        "lineage": "4",
        "frame": "0",
        "cell": "1",
        "y": "6.0",
        "x": "6.0",
        "area": "9",
        "y_um": "3.0",
        "x_um": "3.0",
        "area_um2": "2.25",
    }
    assert (second["parent"], second["lineage"], second["frame"]) == ("4", "4", "1")


def test_volumes_count_a_missing_slice_as_the_mean_of_its_neighbours(tmp_path):
    result = boxes([((0,), 1, 1, 0, 2), ((2,), 2, 1, 0, 4), ((3,), 3, 2, 0, 3)], (4,))
    way = Way(0, is_depth=True)
    (solid, other) = solids(result, way)
    assert (solid.voxels, solid.slices, solid.first, solid.last) == (4 + 10 + 16, 2, 0, 2)
    assert solid.centre == pytest.approx((1.6, 6.3, 6.3))
    assert other.voxels == 9
    assert write_solids(tmp_path / "v.csv", result, way, pixel_um=0.5, slice_um=2.0) == 2
    row = table(tmp_path / "v.csv")[0]
    assert (row["voxels"], row["volume_um3"]) == ("30.0", "15.0")
    write_solids(tmp_path / "v.csv", result, way, pixel_um=0.5)
    assert "volume_um3" not in table(tmp_path / "v.csv")[0]


def test_slices_of_each_moment_are_a_row_of_their_own(tmp_path):
    result = boxes([((0, 0), 1, 1, 0, 2), ((0, 1), 2, 1, 0, 2), ((1, 0), 3, 1, 0, 3)], (2, 2))
    write_solids(tmp_path / "v.csv", result, Way(1, is_depth=True))
    assert [(row["cell"], row["frame"], row["voxels"]) for row in table(tmp_path / "v.csv")] == [
        ("1", "0", "8.0"),
        ("1", "1", "9.0"),
    ]
    write_tracks(tmp_path / "t.csv", result, TIME)
    assert [row["slice"] for row in table(tmp_path / "t.csv")] == ["0", "1", "0"]
