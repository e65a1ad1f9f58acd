"""Cells are followed through motion, overlap, gaps and divisions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from moving import SHAPE, disc, series, tracked

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Instances
from napari_centermask.core.result import Result
from napari_centermask.core.tracks import Way
from napari_centermask.pipeline.progress import Progress
from napari_centermask.pipeline.tracking import track_cells
from napari_centermask.settings import TrackSettings


def test_cells_that_cross_over_each_other_keep_their_tracks():
    frames = [[(80, 30 + 8 * t, 10), (80, 110 - 8 * t, 10)] for t in range(11)]
    found = tracked(series(*frames))
    assert {found[2 * t + 1] for t in range(11)} == {(1, 0)}
    assert {found[2 * t + 2] for t in range(11)} == {(2, 0)}


def test_a_common_motion_of_all_cells_is_no_hindrance():
    rng = np.random.default_rng(2)
    places = [(*rng.uniform(15, 130, 2), 9) for _ in range(20)]
    moved = [(y + 12, x + 10, r) for y, x, r in places]
    found = tracked(series(places, moved))
    assert all(found[n] == found[n + 20] for n in range(1, 21))


def test_a_gap_is_closed_as_long_as_the_settings_say():
    frames = [[(40, 40, 9)], [(41, 42, 9)], [], [(43, 44, 9)], [], [], [(45, 46, 9)]]
    assert list(tracked(series(*frames)).values()) == [(1, 0), (1, 0), (1, 0), (2, 0)]
    assert list(tracked(series(*frames), longest_gap=2).values()) == [(1, 0)] * 4
    assert list(tracked(series(*frames), longest_gap=0).values()) == [(1, 0), (1, 0), (2, 0), (3, 0)]


def test_a_division_gives_two_daughters_and_can_be_left_out():
    frames = [[(80, 80, 14)], [(80, 80, 14)], [(80, 72, 10), (80, 88, 10)], [(80, 68, 10), (80, 92, 10)]]
    found = tracked(series(*frames))
    assert [found[n] for n in (1, 2)] == [(1, 0)] * 2
    assert [found[n] for n in (3, 5)] == [(2, 1)] * 2
    assert [found[n] for n in (4, 6)] == [(3, 1)] * 2
    assert all(parent == 0 for _, parent in tracked(series(*frames), divisions=False).values())


def test_a_cell_that_enters_beside_another_is_no_daughter():
    frames = [[(80, 80, 12)], [(80, 80, 12), (80, 104, 12)], [(80, 80, 12), (80, 104, 12)]]
    assert [p for _, p in tracked(series(*frames)).values()] == [0] * 5


def test_a_cell_farther_than_the_largest_motion_is_another():
    frames = [[(40, 40, 9)], [(40, 70, 9)]]
    assert [t for t, _ in tracked(series(*frames)).values()] == [1, 2]
    assert [t for t, _ in tracked(series(*frames), largest_motion=45).values()] == [1, 1]


def test_slices_of_a_3d_cell_are_followed_together():
    planes = [[(40 + 3 * t, 40, 9 - abs(z - 1))] for t in range(3) for z in range(3)]
    result = series(*planes, leading=(3, 3))
    for index, plane in result.planes.items():
        for cell in plane:
            result.set(index, cell.id, replace(cell, track=index[0] + 1))  # joined at each moment
    assert set(tracked(result).values()) == {(1, 0)}
    flat = series(*planes, leading=(3, 3))  # not joined: each slice by itself
    assert len(set(tracked(flat).values())) == 3


def test_time_may_be_the_second_axis():
    planes = [[(40 + 3 * t, 40, 9)] for z in range(2) for t in range(3)]
    found = tracked(series(*planes, leading=(2, 3)), way=Way(1))
    assert [found[n] for n in (1, 2, 3)] == [found[1]] * 3


def test_cells_that_are_not_shown_have_no_track():
    result = series([(40, 40, 9)], [(40, 41, 9), (80, 80, 9)])
    result.set((1,), 3, replace(result.get((1,), 3), status="rejected"))
    assert set(tracked(result)) == {1, 2}


def test_edits_meanwhile_do_not_disturb_and_progress_rises_to_the_end():
    result = series(*[[(40, 40 + t, 9)] for t in range(4)])
    seen, found = [], []

    def watched():
        found.append((yield from track_cells(result, TrackSettings(), way=Way())))

    for step in watched():
        assert isinstance(step, Progress)
        seen.append(step.part)
        result.put((3,), Instances(SHAPE))
    assert len(found[0].tracks) == 4
    assert seen == sorted(seen)
    assert 0.9 <= seen[-1] <= 1


def test_what_cannot_be_tracked_is_refused_with_the_remedy():
    with pytest.raises(BadSettings, match="Segment all frames first"):
        tracked(series([(40, 40, 9)], []))
    with pytest.raises(BadSettings, match="single image"):
        tracked(Result(SHAPE))


def test_cells_of_one_place_are_told_apart_by_their_size():
    result = Result(SHAPE, leading=(2,))
    for t in range(2):
        result.put(
            (t,), Instances(SHAPE, [disc(60, 60, 6), disc(60, 60, 16)] if t else [disc(60, 60, 16), disc(60, 60, 6)])
        )
    found = tracked(result)
    assert found[1] == found[4] != found[2] == found[3]
