import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.io import rle

coco_mask = pytest.importorskip("pycocotools.mask")


@pytest.mark.parametrize("seed", range(60))
def test_counts_equal_pycocotools_to_the_byte(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 14, 2)) < rng.choice([0.05, 0.5, 0.95, 1.0])
    mask[0, 0] |= not mask.any()
    expected = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert rle.compress(rle.encode(Instance.from_mask(mask, id=1), mask.shape)) == expected


def test_a_small_cell_in_a_large_image_encodes_as_its_full_frame():
    frame = np.zeros((700, 900), bool)
    frame[400:430, 500:520] = np.random.default_rng(0).random((30, 20)) < 0.7
    expected = coco_mask.encode(np.asfortranarray(frame.astype(np.uint8)))["counts"].decode()
    assert rle.compress(rle.encode(Instance.from_mask(frame, id=1), frame.shape)) == expected


@pytest.mark.parametrize("seed", range(30))
def test_decoding_returns_the_tight_crop(seed):
    rng = np.random.default_rng(seed)
    frame = np.zeros((23, 31), bool)
    frame[3:17, 5:29] = rng.random((14, 24)) < 0.3
    frame[9, 12] = True
    cell = Instance.from_mask(frame, id=1)
    y0, x0, mask = rle.decode(rle.decompress(rle.compress(rle.encode(cell, frame.shape))), frame.shape)
    assert (y0, x0) == (cell.y0, cell.x0)
    assert np.array_equal(mask, cell.mask)


def test_runs_that_leave_the_image_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        rle.decode([0, 50], (6, 6))


def test_counts_cut_short_are_refused():
    with pytest.raises(ValueError, match="middle"):
        rle.decompress("0P")


@pytest.mark.parametrize("seed", range(40))
def test_runs_that_continue_in_the_next_column_decode_like_pycocotools(seed):
    rng = np.random.default_rng(seed)
    frame = rng.random(rng.integers(2, 9, 2)) < 0.9
    frame[:, 1] = True
    encoded = coco_mask.encode(np.asfortranarray(frame.astype(np.uint8)))
    y0, x0, mask = rle.decode(rle.decompress(encoded["counts"].decode()), frame.shape)
    expected = Instance.from_mask(coco_mask.decode(encoded).astype(bool))
    assert (y0, x0) == (expected.y0, expected.x0)
    assert np.array_equal(mask, expected.mask)
