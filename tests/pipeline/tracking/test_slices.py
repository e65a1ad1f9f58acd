"""Slices are joined to 3-D cells by overlap."""

from __future__ import annotations

import pytest
from moving import SHAPE, joined, series

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.result import Result
from napari_centermask.core.tracks import Way

Z = Way(0, is_depth=True)


def test_cells_of_neighbouring_slices_that_overlap_are_one():
    found = joined(series([(40, 40, 8), (90, 90, 8)], [(41, 40, 9)], [(42, 40, 8), (90, 90, 8)]), Z, longest_gap=0)
    assert found == {1: 1, 2: 2, 3: 1, 4: 1, 5: 3}


def test_a_missing_slice_is_passed_over_and_the_nearest_slice_comes_first():
    found = joined(series([(40, 40, 8), (90, 90, 8)], [(41, 40, 9)], [(42, 40, 8), (90, 90, 8)]), Z)
    assert found == {1: 1, 2: 2, 3: 1, 4: 1, 5: 2}


def test_cells_that_overlap_in_each_slice_stay_apart():
    found = joined(series(*[[(60, 60, 10), (60, 70, 10)] for _ in range(4)]), Z)
    assert [found[n] for n in range(1, 9)] == [1, 2] * 4


def test_less_overlap_than_set_does_not_join():
    stack = series([(40, 40, 8)], [(40, 46, 8)])
    assert len(set(joined(stack, Z).values())) == 1
    assert len(set(joined(stack, Z, smallest_iou=0.6).values())) == 2


def test_each_moment_is_joined_by_itself():
    planes = [[(40, 40, 8)] for _ in range(6)]
    found = joined(series(*planes, leading=(2, 3)), Way(1, is_depth=True))
    assert found == {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2}


def test_what_cannot_be_joined_is_refused_with_the_remedy():
    with pytest.raises(BadSettings, match="Segment all slices first"):
        joined(series([(40, 40, 9)], []), Z)
    with pytest.raises(BadSettings, match="Expected a z stack"):
        joined(Result(SHAPE), Z)
