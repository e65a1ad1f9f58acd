import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.rings import area, fill, keyhole, trace


def drawn(crop, shape):
    image = np.zeros(shape, bool)
    if crop is not None:
        y0, x0, mask = crop
        image[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]] = mask
    return image


def test_a_square_is_four_corners():
    ((ring,),) = trace(np.ones((2, 3), bool), (10, 20))
    assert {tuple(p) for p in ring.tolist()} == {(20, 10), (23, 10), (23, 12), (20, 12)}


def test_a_hole_is_a_separate_ring_and_runs_the_other_way():
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    ((outer, hole),) = trace(mask)
    assert (area(outer), area(hole)) == (9, -1)


def test_pixels_that_touch_at_a_corner_are_two_polygons():
    assert [len(p) for p in trace(np.eye(2, dtype=bool))] == [1, 1]


def test_random_masks_come_back_and_their_polygons_are_valid():
    rng = np.random.default_rng(0)
    for _ in range(400):
        mask = rng.random(tuple(rng.integers(1, 9, 2))) < rng.random()
        polygons = trace(mask, (3, 5))
        expected = np.zeros((20, 20), bool)
        expected[3 : 3 + mask.shape[0], 5 : 5 + mask.shape[1]] = mask
        assert np.array_equal(drawn(fill(polygons, (20, 20), "it"), (20, 20)), expected)
        for outer, *holes in polygons:
            assert area(outer) > 0
            assert all(area(h) < 0 for h in holes)
            for ring in (outer, *holes):
                assert len(np.unique(ring, axis=0)) == len(ring), "a ring touches itself"
        assert sum(area(r) for p in polygons for r in p) == mask.sum()


def test_a_keyhole_is_one_ring_with_the_pixels_of_a_polygon_with_holes():
    mask = np.ones((9, 12), bool)
    mask[2:4, 2:4] = mask[6, 3:9] = mask[1, 8] = False
    ((polygon),) = trace(mask, (3, 5))
    assert len(polygon) == 4
    y0, x0, filled = fill([[keyhole(polygon)]], (40, 40), "a cell")
    assert np.array_equal(filled[3 - y0 :, 5 - x0 :], mask)


def test_pixels_belong_to_a_polygon_if_their_centres_do():
    from skimage.draw import polygon2mask

    rng = np.random.default_rng(1)
    for _ in range(50):
        ring = rng.uniform(-5, 45, (7, 2))
        got = drawn(fill([[ring]], (40, 40), "it"), (40, 40))
        expected = _inside_by_winding(ring, (40, 40))
        assert np.array_equal(got, expected)
    square = np.array([(2.0, 3), (9, 3), (9, 8), (2, 8)])
    assert np.array_equal(
        drawn(fill([[square]], (20, 20), "it"), (20, 20)), polygon2mask((20, 20), square[:, ::-1] - 0.5)
    )


def _inside_by_winding(ring, shape):
    """Brute force: a ray from every pixel's centre to the left crosses an odd number of edges."""
    y, x = (a + 0.5 for a in np.mgrid[: shape[0], : shape[1]])
    inside = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        inside ^= crosses & (x > (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def test_what_lies_outside_is_cut_off():
    big = np.array([(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)])
    assert drawn(fill([[big]], (5, 6), "it"), (5, 6)).all()
    assert fill([[big + 1e10]], (5, 6), "it") is None


def test_cells_larger_than_any_cell_are_refused_before_memory_is_taken():
    big = np.array([(0, 0), (1e6, 0), (1e6, 1e6), (0, 1e6)])
    with pytest.raises(BadAnnotations, match="spans"):
        fill([[big]], (10**6, 10**6), "it")
