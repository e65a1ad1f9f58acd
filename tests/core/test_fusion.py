"""Cells of several looks at an image become one each."""

from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.fusion import fuse
from napari_centermask.core.instances import Instance, intersection

SHAPE = (100, 120)


def disk(y, x, radius, **fields):
    yy, xx = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return Instance.from_mask((yy - y) ** 2 + (xx - x) ** 2 <= radius**2, **fields)


def test_one_look_stays_as_it_is():
    cells = [disk(30, 30, 10, score=0.7)]
    assert fuse([cells], SHAPE) == cells


def test_a_cell_of_all_looks_has_their_mean_score_and_the_mean_of_their_outlines():
    (cell,) = fuse([[disk(50, 50, 20, score=0.8)], [disk(50, 50, 24, score=0.8)], [disk(50, 50, 28, score=0.8)]], SHAPE)
    assert cell.score == pytest.approx(0.8)
    assert cell.diameter == pytest.approx(disk(50, 50, 24).diameter, rel=0.02)


def test_two_outlines_meet_in_the_middle_and_the_surer_one_counts_more():
    def between(first, second):
        (cell,) = fuse([[disk(50, 50, 20, score=first)], [disk(50, 50, 26, score=second)]], SHAPE)
        return cell.diameter

    assert between(0.8, 0.8) == pytest.approx(46, rel=0.03)
    assert between(0.9, 0.3) < between(0.8, 0.8) < between(0.3, 0.9)


def test_a_cell_that_a_look_misses_loses_its_part_of_the_score():
    found = fuse([[disk(30, 30, 10, score=0.9), disk(70, 80, 12, score=0.6)], [disk(70, 80, 12, score=0.8)]], SHAPE)
    assert sorted(round(cell.score, 3) for cell in found) == [0.45, 0.7]


def test_overlapping_cells_stay_whole():
    pair = [disk(50, 50, 15, score=0.8), disk(50, 68, 15, score=0.9)]
    before = intersection(*pair)
    found = fuse([pair, [replace(cell, score=0.7) for cell in pair]], SHAPE)
    assert len(found) == 2
    assert intersection(*found) == before > 0
    assert sorted(cell.area for cell in found) == sorted(cell.area for cell in pair)


def test_a_nucleus_and_its_cell_are_two_and_one_cell_of_two_categories_is_one():
    nucleus, cell = disk(50, 50, 12, category=1, score=0.9), disk(50, 50, 15, category=2, score=0.8)  # IoU 0.64
    assert len(fuse([[nucleus], [cell]], SHAPE)) == 2
    (one,) = fuse([[disk(50, 50, 15, category=1, score=0.6)], [cell]], SHAPE)
    assert one.category == 2


def test_each_look_gives_a_cell_once():
    """Two cells of one look are never joined, also where another look saw them as one."""
    halves = [disk(50, 44, 12, score=0.9), disk(50, 62, 12, score=0.8)]
    both = disk(50, 53, 21, score=0.7)
    found = fuse([halves, [both]], SHAPE)
    assert len(found) == 3
    near = [disk(50, 50, 12, score=0.9), disk(50, 53, 12, score=0.8)]
    assert len(fuse([near, [disk(50, 51, 12, score=0.7)]], SHAPE)) == 2


def test_probabilities_are_averaged_where_all_have_them():
    a = disk(50, 50, 15, score=0.6, probabilities=(0.9, 0.1))
    b = disk(50, 50, 15, score=0.6, probabilities=(0.5, 0.5))
    assert fuse([[a], [b]], SHAPE)[0].probabilities == pytest.approx((0.7, 0.3))
    assert fuse([[a], [replace(b, probabilities=())]], SHAPE)[0].probabilities == ()


def test_cells_at_the_border_of_the_image_stay_there():
    (cell,) = fuse([[disk(0, 60, 14, score=0.8)], [disk(0, 60, 14, score=0.8)]], SHAPE)
    assert cell.area == disk(0, 60, 14).area
    assert cell.y0 == 0
    whole = Instance(0, 0, 0, np.ones(SHAPE, bool), score=0.8)
    assert fuse([[whole], [whole]], SHAPE)[0].area == whole.area
