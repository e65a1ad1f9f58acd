import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.io import rle, rle_many


def some(rng, shape, n):
    """Cells of any form in an image, some as high as it."""
    found = []
    for k in range(n):
        h, w = rng.integers(1, np.array(shape) + 1)
        mask = rng.random((h, w)) < rng.choice([0.05, 0.5, 0.95, 1.0])
        mask[0, 0] |= not mask.any()
        at = rng.integers(0, shape[0] - h + 1), rng.integers(0, shape[1] - w + 1)
        found.append(Instance.from_mask(mask, at, id=k + 1))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_many_cells_at_once_are_the_same_texts_and_masks_as_one_by_one(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(rle_many, "_PART", int(rng.choice([10, 1 << 20])))
    shape = tuple(rng.integers(1, 40, 2).tolist())
    cells = some(rng, shape, int(rng.integers(1, 30)))
    texts = list(rle_many.encode(cells, shape))
    assert texts == [rle.compress(rle.encode(c, shape)) for c in cells]
    crops = rle_many.decode(texts, [shape] * len(texts))
    for cell, (y0, x0, mask) in zip(cells, crops, strict=True):
        assert (y0, x0) == (cell.y0, cell.x0)
        assert np.array_equal(mask, cell.mask)
        assert mask.flags.c_contiguous


def test_images_of_different_sizes_and_empty_masks_decode_together():
    texts = ["", rle.compress([100]), rle.compress([3, 2, 7, 1]), rle.compress([0, 5]), rle.compress([1 << 20, 7])]
    shapes = [(10, 10), (10, 10), (9, 12), (5, 1), (2000, 3000)]
    for found, text, shape in zip(rle_many.decode(texts, shapes), texts, shapes, strict=True):
        expected = rle.decode(rle.decompress(text), shape)
        assert (found is None) == (expected is None)
        assert found is None or (found[:2] == expected[:2] and np.array_equal(found[2], expected[2]))


def test_no_cells_are_no_texts():
    assert list(rle_many.encode([], (5, 5))) == []
    assert rle_many.decode([], []) == []


@pytest.mark.parametrize(
    "damaged", ["0P", "0 5", "é", "0p", rle.compress([5, -3]), rle.compress([0, 200]), "PPPPPPPPPPPP0"]
)
def test_damaged_counts_are_left_to_the_reader_of_single_cells(damaged):
    good = rle.compress([3, 2])
    assert rle_many.decode([good, damaged, good], [(10, 10)] * 3) is None


def test_a_part_of_absurd_masks_is_left_to_the_reader_of_single_cells():
    text = rle.compress([0, 1, 10**10 - 2, 1])
    assert rle_many.decode([text], [(10**5, 10**5)]) is None


def test_masks_that_are_all_empty_are_no_cells():
    empty = rle.compress([25])  # 25 pixels of background
    assert list(rle_many.decode([empty, empty], [(5, 5)] * 2)) == [None, None]
