"""Cells change their shape."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import disk, full, picture, plane, square

from napari_centermask.core import tools


def test_holes_are_filled_and_debris_removed_but_never_the_largest_part():
    cells = plane(picture("######.\n#.##.#.\n######.\n.......\n##....#"))
    ((_, filled),) = tools.fill_holes(cells, [1])
    np.testing.assert_array_equal(full(filled, (5, 7)), picture("######.\n######.\n######.\n.......\n##....#"))
    ((_, clean),) = tools.remove_debris(cells, [1], 2)
    np.testing.assert_array_equal(full(clean, (5, 7)), picture("######.\n#.##.#.\n######.\n.......\n##....."))
    ((_, largest),) = tools.remove_debris(cells, [1], 1000)
    assert largest.box == (0, 0, 3, 6)
    assert tools.remove_debris(cells, [1], 1) == []
    assert tools.fill_holes(plane(square(1, 1, 4, 4)), [1]) == []


@pytest.mark.parametrize("n", [1, 2, 3.5])
def test_growing_and_shrinking_go_by_euclidean_distance_and_stop_at_the_border(n):
    mask = disk(5, 8, 6, (20, 20)) & ~square(4, 8, 6, 9)
    cells = plane(mask)
    yy, xx = np.indices((20, 20))

    def near(of):
        return (np.hypot(yy[..., None] - yy[of], xx[..., None] - xx[of]) <= n).any(axis=-1)

    ((_, grown),) = tools.grow(cells, [1], n)
    np.testing.assert_array_equal(full(grown), near(mask))
    ((_, shrunk),) = tools.shrink(cells, [1], n)
    expected = mask & ~near(~mask)
    if expected.any():
        np.testing.assert_array_equal(full(shrunk), expected)
    else:
        assert shrunk is None


def test_cells_that_fill_the_image_neither_grow_nor_shrink():
    cells = plane(np.ones((20, 20), bool))
    assert tools.grow(cells, [1], 3) == tools.shrink(cells, [1], 3) == tools.smooth(cells, [1]) == []


def test_smoothing_evens_a_ragged_rim_and_keeps_parts_and_specks():
    rng = np.random.default_rng(0)
    base = disk(20, 20, 10) | disk(45, 45, 8)
    ragged = base ^ ((rng.random(base.shape) < 0.5) & (disk(20, 20, 11) & ~disk(20, 20, 9)))
    cells = plane(ragged, disk(30, 10, 0))
    ((before, after),) = tools.smooth(cells, [1, 2], 1.5)
    assert before.id == 1
    from scipy.ndimage import label

    assert label(full(after, (60, 60)))[1] == 2
    assert np.count_nonzero(full(after, (60, 60)) ^ base) < np.count_nonzero(ragged ^ base)
