"""What napari gets to draw: a point for each frame of a track, in the axes of the image layer."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.core.tracks import Lineage
from napari_centermask.pipeline.progress import run_through
from napari_centermask.widgets.tracks.controls import axes_of
from napari_centermask.widgets.tracks.overview import Form, lines_of, look


def series(rows, leading):
    """Cells (plane, id, y, track, parent, side)."""
    result = Result((40, 40), leading=leading)
    for index, id, y, track, parent, side in rows:
        result.set(index, id, Instance(id, y, 4, np.ones((side, side), bool), track=track, parent=parent))
    return result


@pytest.mark.parametrize(
    ("letters", "leading", "planes", "numbers", "n", "points"),
    [
        ("t", (2,), [(0,), (1,)], (0,), 3, [[1, 0, 5, 5], [1, 1, 5, 5]]),
        ("t", (2,), [(0,), (1,)], (0,), 4, [[1, 0, 0, 5, 5], [1, 1, 0, 5, 5]]),  # time, channels
        ("t", (2,), [(0,), (1,)], (1,), 4, [[1, 0, 5, 5], [1, 1, 5, 5]]),  # channels, time: from time on
        ("zt", (3, 2), [(2, 0), (2, 1)], (0, 1), 4, [[1, 0, 5, 5], [1, 1, 5, 5]]),
        ("tz", (2, 3), [(0, 2), (1, 2)], (0, 1), 4, [[1, 0, 2, 5, 5], [1, 1, 2, 5, 5]]),
    ],
)
def test_points_lie_in_the_axes_of_the_layer_from_time_on(letters, leading, planes, numbers, n, points):
    result = series([(index, id, 4, 1, 0, 3) for id, index in enumerate(planes, start=1)], leading)
    form = Form(axes_of(letters), numbers, n)
    lines = run_through(lines_of(Lineage(result, form.axes.time), form, {}))
    assert lines.data.tolist() == points
    assert lines.roots.tolist() == [1, 1]


def test_slices_of_a_cell_are_one_point_in_their_middle_by_area():
    result = series([((0, 0), 1, 4, 1, 0, 2), ((0, 1), 2, 8, 1, 0, 4), ((1, 0), 3, 4, 2, 1, 2)], (2, 2))
    form = Form(axes_of("tz"), (0, 1), 4)
    seen = run_through(look(result, form, {}))
    assert seen.lines.data[0].tolist() == [1, 0, 16 / 20, (4 * 4.5 + 16 * 9.5) / 20, (4 * 4.5 + 16 * 5.5) / 20]
    assert seen.lines.graph == {2: [1]}
    assert seen.lines.roots.tolist() == [1, 1]
    assert seen.rows.texts == [("1", "0", "", "2"), ("2", "1", "1", "")]
    assert seen.n_alone == 0


def test_centres_are_computed_once_for_a_mask():
    result, centres = series([((0,), 1, 4, 1, 0, 3)], (2,)), {}
    form = Form(axes_of("t"), (0,), 3)
    run_through(look(result, form, centres))
    (key,) = centres
    centres[key] = (*centres[key][:3], 30.0, 31.0)
    assert run_through(look(result, form, centres)).lines.data.tolist() == [[1, 0, 30, 31]]
    result.set((0,), 1, Instance(1, 9, 9, np.ones((3, 3), bool), track=1))
    assert run_through(look(result, form, centres)).lines.data.tolist() == [[1, 0, 10, 10]]


def test_no_tracks_give_no_lines():
    form = Form(axes_of("t"), (0,), 3)
    seen = run_through(look(series([((0,), 1, 4, 0, 0, 3)], (2,)), form, {}))
    assert (len(seen.lines.data), seen.rows.texts, seen.n_alone) == (0, [], 1)
