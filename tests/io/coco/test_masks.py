"""Masks are rasterised as pycocotools does, and absurd ones take no memory."""

import tracemalloc

import numpy as np
import pytest

from napari_centermask.io.coco.masks import read_mask
from napari_centermask.io.rle import LARGEST_MASK


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [10**6, 10**6], "counts": [0, 10**12]},
        {"size": [10**6, 10**6], "counts": [5, 10**11, 3]},
        {"size": [10**6, 10**6], "counts": [0, 1, 10**12 - 2, 1]},
        {"size": [10**6, 10**6], "counts": [0, 2**62, 2**62, 2**62, 2**62]},
        {"size": [10**6, 10**6], "counts": [10**40]},
        {"size": [10**6, 10**6], "counts": "o" * 100_000},
        {"size": [10**6, 10**6], "counts": "oooooooooooo0" * 10_000},
        [[0, 0, 1e6, 0, 1e6, 1e6, 0, 1e6]],
        [[0, 0, 1e308, 0, 1e308, 1e308, -1e308, 1e308]],
        [[-1e9, 5, 1e9, 5, 1e9, 6]] * 3,
        [[0, 0, 1e6, 1e6] * 400],
    ],
)
def test_absurd_masks_take_little_memory(segmentation):
    shape = (10**6, 10**6)
    tracemalloc.start()
    try:
        read_mask(segmentation, shape)
    except ValueError:
        pass  # refused, as most of them have to be
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 100e6


def test_a_mask_of_a_whole_large_image_is_read(tmp_path):
    shape = (2**14, 2**14)
    assert read_mask({"size": list(shape), "counts": [0, LARGEST_MASK]}, shape)[2].all()
    with pytest.raises(ValueError, match="larger than"):
        read_mask({"size": [2**14, 2**14 + 1], "counts": [0, LARGEST_MASK + 2**14]}, (2**14, 2**14 + 1))


def test_polygons_far_outside_are_cut_as_pycocotools_would(tmp_path):
    coco_mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(50):
        polygon = rng.uniform(-3000, 3000, (5, 2)).ravel().tolist()
        crop = read_mask([polygon], (64, 48))
        frame = np.zeros((64, 48), bool)
        if crop is not None:
            y0, x0, mask = crop
            frame[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]] = mask
        expected = coco_mask.decode(coco_mask.frPyObjects([polygon], 64, 48))[..., 0].astype(bool)
        assert (frame ^ expected).sum() <= 64 + 48  # the cut moves where an edge of thousands of pixels is rounded
