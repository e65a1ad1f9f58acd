from dataclasses import replace

import numpy as np

from napari_centermask.core.covered import drop_covered, without_overlaps
from napari_centermask.core.instances import Instance, intersection


def square(y, x, side, **fields):
    return Instance(1, y, x, np.ones((side, side), bool), **fields)


def test_a_covered_cell_of_lower_quality_is_dropped():
    good, bad = square(0, 0, 10, score=0.9), square(1, 1, 8, score=0.5)
    assert drop_covered([bad, good], 0.7) == [good]
    assert drop_covered([bad, good], 1.0) == [bad, good]


def test_quality_counts_with_the_score():
    a, b = square(0, 0, 10, score=0.9, mask_quality=0.3), square(0, 0, 10, score=0.5, mask_quality=0.9)
    assert drop_covered([a, b], 0.7) == [b]


def test_overlapping_cells_survive():
    cells = [square(0, 0, 10, score=0.9), square(0, 4, 10, score=0.5)]
    assert drop_covered(cells, 0.7) == cells


def test_a_large_worse_cell_over_a_small_better_one_stays():
    cells = [square(0, 0, 5, score=0.9), square(0, 0, 10, score=0.5)]
    assert drop_covered(cells, 0.7) == cells


def test_a_dropped_cell_covers_nothing():
    best, middle, last = square(0, 0, 10, score=0.9), square(0, 2, 10, score=0.8), square(0, 4, 10, score=0.7)
    assert drop_covered([last, middle, best], 0.7) == [last, best]


def test_a_nucleus_in_a_cell_stays_and_one_cell_of_two_categories_goes():
    cell, nucleus, again = (
        square(0, 0, 10, score=0.9),
        square(2, 2, 7, score=0.5, category=2),
        square(0, 0, 9, score=0.5),
    )
    assert drop_covered([cell, nucleus], 0.7) == [cell, nucleus]
    assert drop_covered([cell, replace(again, category=2)], 0.7) == [cell]


def test_many_cells_equal_brute_force():
    rng = np.random.default_rng(0)
    cells = [
        square(int(y), int(x), int(s), score=float(v))
        for y, x, s, v in zip(*rng.integers(0, 60, (2, 150)), rng.integers(2, 20, 150), rng.random(150), strict=True)
    ]
    kept = []
    for cell in sorted(cells, key=lambda c: -c.score):
        if all(intersection(cell, k) <= 0.5 * cell.area for k in kept):
            kept.append(cell)
    assert {id(c) for c in drop_covered(cells, 0.5)} == {id(c) for c in kept}


def test_shared_pixels_go_to_the_better_cell():
    rng = np.random.default_rng(1)
    cells = [
        square(int(y), int(x), int(s), score=float(v))
        for y, x, s, v in zip(*rng.integers(0, 60, (2, 40)), rng.integers(2, 20, 40), rng.random(40), strict=True)
    ]
    owner = np.full((80, 80), -1)
    for k in np.argsort([c.score for c in cells]):
        y0, x0, y1, x1 = cells[k].box
        owner[y0:y1, x0:x1] = k
    left = {c.score: c for c in without_overlaps(cells)}
    assert len(left) == len(set(owner[owner >= 0]))
    for k, cell in enumerate(cells):
        drawn = np.zeros((80, 80), bool)
        if cell.score in left:
            y0, x0, y1, x1 = left[cell.score].box
            drawn[y0:y1, x0:x1] = left[cell.score].mask
        np.testing.assert_array_equal(drawn, owner == k)
