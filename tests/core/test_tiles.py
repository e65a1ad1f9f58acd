import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.tiles import Piece, cut, merge, owned, plan

SIZES = [(64, 64), (520, 696), (1152, 1152), (1153, 700), (2048, 2048), (4096, 4096), (3000, 1999), (1, 5000)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("tile", [512, 1024, 2048])
def test_cores_partition_the_image_inside_their_tiles(shape, tile):
    count = np.zeros(shape, np.uint8)
    for t in plan(shape, tile=tile, overlap=96):
        y0, x0, y1, x1 = t.core
        count[y0:y1, x0:x1] += 1
        assert t.box[0] <= y0
        assert t.box[1] <= x0
        assert y1 <= t.box[2] <= shape[0]
        assert x1 <= t.box[3] <= shape[1]
    assert (count == 1).all()


@pytest.mark.parametrize("shape", SIZES)
def test_tiles_start_at_multiples_and_overlap_enough(shape):
    tiles = plan(shape, tile=512, overlap=96)
    for low, high in ((0, 2), (1, 3)):
        spans = sorted({(t.box[low], t.box[high]) for t in tiles})
        assert all(start % 32 == 0 and stop - start <= 576 for start, stop in spans)
        assert all(a[1] - b[0] >= 96 for a, b in zip(spans, spans[1:], strict=False))


def test_an_image_that_fits_is_one_tile():
    assert [t.box for t in plan((520, 696), tile=1024, overlap=96)] == [(0, 0, 520, 696)]


@pytest.mark.parametrize("side", [*range(1153, 4200, 61), 4096, 8192, 20_000])
def test_overlap_costs_less_than_a_quarter(side):
    tiles = plan((side, side), tile=1024, overlap=96)
    area = sum((t.box[2] - t.box[0]) * (t.box[3] - t.box[1]) for t in tiles)
    assert area < 1.25 * side * side


def test_an_overlap_as_large_as_the_tile_is_refused():
    with pytest.raises(ValueError, match="overlap"):
        plan((5000, 5000), tile=128, overlap=128)


def test_every_whole_cell_has_an_owner_and_few_have_two():
    rng = np.random.default_rng(0)
    centre, side = rng.uniform(0, 1500, (4000, 2)), rng.uniform(10, 60, (4000, 2))
    boxes = np.concatenate([centre - side / 2, centre + side / 2], axis=1)
    owners = sum(owned(boxes, t).astype(int) for t in plan((1500, 1500), tile=512, overlap=96))
    inside = (centre >= 0).all(axis=1)
    assert owners[inside].min() == 1
    assert (owners > 1).mean() < 0.1


def test_large_cells_are_owned_by_each_tile_that_cuts_them():
    tiles = plan((512, 2000), tile=512, overlap=96)
    boxes = np.array([[100.0, 100, 1900, 400]])
    assert all(owned(boxes, t)[0] for t in tiles)
    assert all(cut(boxes, t, (512, 2000))[0] for t in tiles)


def test_only_inner_edges_cut():
    left, *_, right = plan((512, 2000), tile=512, overlap=96)
    boxes = np.array([[-5.0, -5, 40, 40], [100, 100, 140, 140], [left.box[3] - 30, 10, left.box[3], 40]])
    np.testing.assert_array_equal(cut(boxes, left, (512, 2000)), [False, False, True])
    np.testing.assert_array_equal(cut(np.array([[1960.0, 0, 2000, 40]]), right, (512, 2000)), [False])


def disk(cy, cx, r, shape=(200, 400)):
    yy, xx = np.ogrid[: shape[0], : shape[1]]
    return (yy - cy) ** 2 + (xx - cx) ** 2 < r * r


def piece(mask, seen, *, is_cut, **fields):
    y0, x0, y1, x1 = seen
    return Piece(Instance.from_mask(mask[y0:y1, x0:x1], origin=(y0, x0), **fields), seen, is_cut)


LEFT, RIGHT = (0, 0, 200, 220), (0, 140, 200, 400)


def full(instance, shape=(200, 400)):
    out = np.zeros(shape, bool)
    out[instance.box[0] : instance.box[2], instance.box[1] : instance.box[3]] = instance.mask
    return out


def test_pieces_of_a_cell_larger_than_the_overlap_are_united():
    cell = disk(100, 190, 90)
    pieces = [piece(cell, LEFT, is_cut=True, score=0.7), piece(cell, RIGHT, is_cut=True, score=0.9)]
    (merged,) = merge(pieces)
    np.testing.assert_array_equal(full(merged), cell)
    assert merged.score == 0.9


def test_a_piece_is_replaced_by_the_whole_cell_even_of_lower_score():
    cell = disk(100, 190, 45)
    pieces = [piece(cell, LEFT, is_cut=True, score=0.9), piece(disk(100, 191, 45), RIGHT, is_cut=False, score=0.5)]
    (merged,) = merge(pieces)
    np.testing.assert_array_equal(full(merged), disk(100, 191, 45))


def test_of_a_cell_found_twice_the_better_stays():
    pieces = [
        piece(disk(100, 180, 20), LEFT, is_cut=False, score=0.6),
        piece(disk(101, 181, 20), RIGHT, is_cut=False, score=0.8),
    ]
    (merged,) = merge(pieces)
    assert merged.score == 0.8


def test_neighbours_that_overlap_are_not_united():
    a, b = disk(100, 165, 25), disk(100, 195, 25)
    pieces = [piece(a, LEFT, is_cut=False), piece(b, RIGHT, is_cut=False)]
    assert len(merge(pieces)) == 2
    pieces = [piece(a, LEFT, is_cut=True), piece(b, RIGHT, is_cut=True)]
    assert len(merge(pieces)) == 2


def test_cells_of_one_tile_are_never_merged():
    cell = disk(100, 100, 20)
    assert len(merge([piece(cell, LEFT, is_cut=True), piece(cell, LEFT, is_cut=True)])) == 2


def test_a_cell_that_two_tiles_gave_two_categories_is_one_and_a_nucleus_stays_beside_its_cell():
    cell, nucleus = disk(100, 180, 20), disk(100, 180, 16)
    twice = [piece(cell, LEFT, is_cut=False, score=0.5), piece(cell, RIGHT, is_cut=False, category=2, score=0.9)]
    (merged,) = merge(twice)
    assert merged.category == 2
    assert len(merge([piece(cell, LEFT, is_cut=False), piece(nucleus, RIGHT, is_cut=False, category=2)])) == 2


def test_a_cell_across_four_tiles_is_one():
    cell = disk(100, 200, 80)
    seen = [(y0, x0, y1, x1) for y0, y1 in ((0, 130), (70, 200)) for x0, x1 in ((0, 230), (170, 400))]
    (merged,) = merge([piece(cell, s, is_cut=True) for s in seen])
    np.testing.assert_array_equal(full(merged), cell)


def test_merged_cells_fit_into_instances():
    cell = disk(100, 190, 90)
    instances = Instances((200, 400), merge([piece(cell, LEFT, is_cut=True), piece(cell, RIGHT, is_cut=True)]))
    assert instances.ids == [1]
    assert merge([]) == []
