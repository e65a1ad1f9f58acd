"""Maps drawn from cells, on squares that can be counted by hand."""

import numpy as np
import pytest

from napari_centermask.training.data.map_targets import FAR, IGNORED, map_tile
from napari_centermask.training.data.tile import TrainTile

SIDE = 24


def tile_of(*cells, ignore=(), unreviewed=None):
    """A tile of rectangles ((y0, x0, y1, x1), class)."""
    masks = np.zeros((len(cells), SIDE, SIDE), np.uint8)
    for mask, ((y0, x0, y1, x1), _) in zip(masks, cells, strict=True):
        mask[y0:y1, x0:x1] = 1
    boxes = np.array([(x0, y0, x1, y1) for (y0, x0, y1, x1), _ in cells], np.float32).reshape(-1, 4)
    classes = np.array([kind for _, kind in cells], np.int64)
    image = np.zeros((1, SIDE, SIDE), np.float32)
    return TrainTile(image, boxes, classes, masks, np.array(ignore, np.float32).reshape(-1, 4), unreviewed)


def test_a_square_has_a_rim_and_a_middle():
    maps = map_tile(tile_of(((4, 6, 9, 11), 1)))
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[4:9, 6:11] = 2
    assert np.array_equal(maps.classes, expected)
    assert maps.border.sum() == 16
    assert not maps.border[5:8, 7:10].any()
    assert np.allclose(maps.distance[6, 5:12], [0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3, 0])


def test_touching_cells_have_a_border_between_them():
    maps = map_tile(tile_of(((4, 2, 9, 7), 0), ((4, 7, 9, 12), 0)))
    assert maps.border[6, 6] == maps.border[6, 7] == 1
    assert np.allclose(maps.distance[6, 2:12], [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3] * 2)
    assert (maps.classes[4:9, 2:12] == 1).all()


def test_overlaps_are_foreground_and_border_and_hold_no_middle():
    first, second = (4, 2, 13, 11), (4, 8, 13, 17)
    maps = map_tile(tile_of((first, 0), (second, 1)))
    lens = np.s_[4:13, 8:11]
    assert (maps.border[lens] == 1).all()
    assert maps.distance[lens].max() < 0.5
    assert maps.distance[8, 6] == maps.distance[8, 12] == 1
    # The pixel is of the cell in which it lies deeper.
    assert maps.classes[8, 8] == 1
    assert maps.classes[8, 10] == 2


def test_the_order_of_the_cells_does_not_matter():
    cells = [((4, 2, 13, 11), 0), ((4, 8, 13, 17), 1), ((10, 6, 18, 14), 0)]
    one, two = map_tile(tile_of(*cells)), map_tile(tile_of(*cells[::-1]))
    for name in ("border", "distance", "signed"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


def test_the_tile_ends_no_cell():
    maps = map_tile(tile_of(((0, 0, 6, 10), 0)))
    assert not maps.border[:5, :9].any()
    assert maps.border[5, :10].all()
    assert maps.distance[0, 0] == 1


def test_unreviewed_pixels_are_ignored_unless_they_are_a_cell():
    unreviewed = np.zeros((SIDE, SIDE), np.uint8)
    unreviewed[:, 12:] = 1
    maps = map_tile(tile_of(((4, 10, 9, 15), 0), ignore=[(0, 20, 5, 24)], unreviewed=unreviewed))
    assert (maps.classes[4:9, 10:15] == 1).all()
    assert (maps.classes[:4, 12:] == IGNORED).all()
    assert (maps.classes[20:24, :5] == IGNORED).all()
    assert (maps.classes[:4, :12] == 0).all()


def test_the_signed_distance_crosses_zero_between_pixels():
    maps = map_tile(tile_of(((4, 6, 9, 11), 0)))
    assert np.allclose(maps.signed[6, 3:9] * FAR, [2.5, 1.5, 0.5, -0.5, -1.5, -2.5])


@pytest.mark.parametrize(("cells", "expected"), [([], 1.0), ([((0, 0, SIDE, SIDE), 0)], -1.0)])
def test_a_tile_without_an_edge_is_far_from_it(cells, expected):
    maps = map_tile(tile_of(*cells))
    assert (maps.signed == expected).all()
    assert (maps.distance == (expected < 0)).all()
