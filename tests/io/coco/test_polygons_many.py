"""Many polygons at once are drawn as one after the other."""

import numpy as np
import pytest

from napari_centermask.io import rle
from napari_centermask.io.coco import polygons_many
from napari_centermask.io.coco.masks import read_mask, read_masks

SHAPE = 70, 90


def outline(rng, n):
    """A polygon with n points, of which some lie at halves, tenths or on one line; some reach the border or beyond."""
    points = rng.uniform(5, 60, 2) + rng.uniform(-1, 1, (n, 2)) * rng.choice([0, 2, 9, 40])
    return points.round(int(rng.integers(0, 4))).ravel().tolist()


def same(a, b):
    if a is None or b is None:
        return a is b
    return a[:2] == b[:2] and np.array_equal(a[2], b[2])


@pytest.mark.parametrize("seed", range(20))
def test_they_are_those_of_one_by_one(seed):
    rng = np.random.default_rng(seed)
    cells = [[outline(rng, int(rng.integers(3, 12))) for _ in range(rng.integers(1, 4))] for _ in range(60)]
    drawn = polygons_many.draw(cells, [SHAPE] * 60)
    for cell, crop in zip(cells, drawn, strict=True):
        expected = read_mask(cell, SHAPE)
        is_inside = min(map(min, cell)) >= 0 and max(map(max, cell)) <= 69
        assert same(crop, expected) or (crop is None and not is_inside)


def test_damaged_ones_are_left_to_the_reader_of_one():
    fine = [1.0, 1, 9, 1, 9, 9]
    bad = [
        [[1, 1, 9, float("nan"), 9, 9]],
        [[1, 1, 9, float("inf"), 9, 9]],
        [[-5, 1, 9, 1, 9, 9]],
        [[1, 1, 200, 1, 9, 9]],
    ]
    drawn = polygons_many.draw([[fine], *bad, [fine]], [(20, 20)] * 6)
    assert [crop is None for crop in drawn] == [False, True, True, True, True, False]
    for cell in ([[1, 1, "x", 9, 9, 9]], [[1, 1, None, 9, 9, 9]], [[[1, 1]] * 6], [[10**400, 1, 9, 1, 9, 9]]):
        assert polygons_many.draw([cell], [(20, 20)]) == [None]
    assert polygons_many.draw([], []) == []
    assert not any(map(polygons_many.are_plain, ([], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5, 6, 7]], "x", None, [(1,) * 6])))


def test_annotations_of_all_kinds_stay_in_their_order():
    segmentations = [
        [[1.0, 1, 9, 1, 9, 9]],
        {"size": [20, 20], "counts": [21, 3, 17, 3]},
        {"size": [20, 20], "counts": rle.compress([21, 3, 376])},
        {"size": [20, 20], "counts": [0, 1, 2.0]},
        [[2.5, 2, 9, 2, 9, 9], [1, 12, 4, 12, 4, 16]],
        {"size": [20, 20], "counts": [400, 7]},
        [[1, 2]],
    ]
    items = [{"image_id": 1, "segmentation": s} for s in segmentations]
    crops = list(read_masks(items, {1: (20, 20)}))
    assert [crop is None for crop in crops] == [False, True, False, True, False, True, True]  # lists with a damaged one
    items = [item for n, item in enumerate(items) if n not in (3, 5, 6)]
    for item, crop in zip(items, read_masks(items, {1: (20, 20)}), strict=True):
        assert same(crop, read_mask(item["segmentation"], (20, 20)))
