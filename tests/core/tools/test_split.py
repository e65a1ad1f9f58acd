"""Divided cells lose and double no pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn import SHAPE, blob, disk, full, plane, square

from napari_centermask.core import tools
from napari_centermask.core.instances import Instance


def assert_parts(pairs, cell) -> list[Instance]:
    """The pairs divide a cell without loss or overlap; the largest part keeps the id. Returns the parts."""
    parts = [after for _, after in pairs]
    total = sum(full(p, SHAPE_OF[0]).astype(int) for p in parts)
    np.testing.assert_array_equal(total, full(cell, SHAPE_OF[0]))
    assert pairs[0][0] is cell
    assert [p.id for p in parts] == [cell.id] + [0] * (len(parts) - 1)
    assert parts[0].area == max(p.area for p in parts)
    assert {p.status for p in parts} == {"corrected"}
    return parts


SHAPE_OF = [(20, 20)]


@pytest.fixture(autouse=True)
def _shape():
    SHAPE_OF[0] = (20, 20)


def test_a_line_divides_and_the_largest_part_keeps_the_id():
    cells = plane(square(2, 2, 12, 12))
    large, small = assert_parts(tools.split_line(cells, 1, [(0, 5), (19, 5)]), cells[1])
    assert (large.x0, small.x0) == (6, 2) or (large.x0, small.x0) == (5, 2)
    assert {large.score, small.score} == {0.7}


@pytest.mark.parametrize("seed", range(40))
def test_any_line_across_divides_without_loss(seed):
    SHAPE_OF[0] = (60, 60)
    rng = np.random.default_rng(seed)
    mask = disk(30, 30, 12) | disk(38, 38, 8)
    mask[28:31, 28:31] = False
    cells = plane(mask)
    angle = rng.uniform(0, np.pi)
    way = 29 * np.array([np.sin(angle), np.cos(angle)])
    middle = (31, 31) + rng.uniform(-3, 3, 2)
    line = [middle - way, middle + rng.uniform(-2, 2, 2), middle + way]
    assert len(assert_parts(tools.split_line(cells, 1, line), cells[1])) >= 2


def test_a_line_that_nearly_reaches_the_rim_is_widened_a_short_one_does_nothing():
    cells = plane(square(2, 2, 12, 12))
    assert len(assert_parts(tools.split_line(cells, 1, [(3, 6), (10, 6)]), cells[1])) == 2
    assert tools.split_line(cells, 1, [(5, 6), (8, 6)]) == []
    assert tools.split_line(cells, 1, [(0, 15), (19, 15)]) == []
    assert tools.split_line(cells, 1, [(4, 4)]) == []
    assert tools.split_line(cells, 1, [(4, 4), (4, 4)]) == []


def test_a_line_that_grazes_the_rim_leaves_no_debris():
    SHAPE_OF[0] = (60, 60)
    cells = plane(disk(30, 30, 20))
    pairs = tools.split_line(cells, 1, [(10, 0), (10, 59)])
    assert pairs == [] or min(a.area for _, a in pairs) > 12


def test_a_line_between_two_parts_divides_them_and_one_through_a_part_leaves_the_other_beside_it():
    cells = plane(square(2, 2, 6, 6) | square(2, 12, 6, 18))
    right, left = assert_parts(tools.split_line(cells, 1, [(1, 9), (7, 9)]), cells[1])
    assert (right.box, left.box) == ((2, 12, 6, 18), (2, 2, 6, 6))
    parts = assert_parts(tools.split_line(cells, 1, [(0, 15), (8, 15)]), cells[1])
    assert len(parts) == 2
    assert tools.split_line(cells, 1, [(0, 0), (0, 1)]) == []


def test_a_line_divides_a_ring_only_where_it_crosses_twice():
    ring = square(2, 2, 12, 12) & ~square(5, 5, 9, 9)
    cells = plane(ring)
    assert tools.split_line(cells, 1, [(0, 7), (7, 7)]) == []
    assert len(assert_parts(tools.split_line(cells, 1, [(0, 7), (14, 7)]), cells[1])) == 2


def test_seeds_divide_at_the_neck():
    SHAPE_OF[0] = (60, 60)
    cells = plane(disk(30, 18, 11) | disk(30, 38, 11) | disk(5, 5, 2))
    parts = assert_parts(tools.split_seeds(cells, 1, [(30.2, 15), (31, 41), (59, 59)]), cells[1])
    assert len(parts) == 2
    left = next(p for p in parts if p.x0 < 10)
    assert left.box[3] in (28, 29)
    assert tools.split_seeds(cells, 1, [(30, 15)]) == []
    assert tools.split_seeds(cells, 1, [(30, 15), (30.1, 15.2)]) == []
    assert tools.split_seeds(cells, 1, np.zeros((0, 2))) == []
    three = assert_parts(tools.split_seeds(cells, 1, [(30, 15), (30, 41), (5, 5)]), cells[1])
    assert sorted(p.area for p in three)[0] == disk(5, 5, 2).sum()


def test_the_automatic_split_finds_necks_and_leaves_round_long_and_bent_cells():
    SHAPE_OF[0] = (60, 60)
    two = plane(disk(30, 18, 12) | disk(30, 36, 12))
    assert len(assert_parts(tools.split_auto(two, 1), two[1])) == 2
    three = plane(disk(20, 20, 9) | disk(20, 36, 9) | disk(34, 44, 9))
    assert len(assert_parts(tools.split_auto(three, 1), three[1])) == 3
    apart = plane(disk(20, 20, 9) | disk(44, 44, 7))
    assert len(assert_parts(tools.split_auto(apart, 1), apart[1])) == 2
    bent = disk(30, 30, 25) & ~disk(30, 30, 15) & ~square(30, 0, 60, 60, (60, 60))
    for whole in (disk(30, 30, 14), square(20, 5, 27, 55, (60, 60)), bent, disk(30, 30, 1), disk(3, 3, 0)):
        assert tools.split_auto(plane(whole), 1) == []


@pytest.mark.parametrize("seed", range(6))
def test_no_split_loses_or_doubles_a_pixel(seed):
    SHAPE_OF[0] = SHAPE
    rng = np.random.default_rng(seed)
    for _ in range(40):
        cells = plane(blob(rng) | blob(rng))
        near = np.array(cells[1].box[:2]) + rng.uniform(-3, max(cells[1].mask.shape), (4, 2))
        for pairs in (
            tools.split_line(cells, 1, near),
            tools.split_seeds(cells, 1, near),
            tools.split_auto(cells, 1),
        ):
            if pairs:
                assert len(assert_parts(pairs, cells[1])) > 1


def test_one_part_of_a_divided_cell_stays_on_its_track():
    cells = plane(square(2, 2, 12, 12))
    cells.set(1, replace(cells[1], track=8, parent=2))
    parts = [after for _, after in tools.split_line(cells, 1, [(0, 5), (19, 5)])]
    assert [(p.track, p.parent) for p in parts] == [(8, 2), (0, 0)]
