import numpy as np
import pytest

from napari_centermask.core.paste import paste, paste_many

SHAPE = (90, 110)


def grid_sample_paste(probability, box, shape, threshold=0.5):
    """Whole-frame brute force: bilinear, align_corners False, zeros outside."""
    h, w = probability.shape
    x0, y0, x1, y1 = (float(v) for v in box)
    out = np.zeros(shape, bool)
    for y in range(shape[0]):
        sy = (((y + 0.5 - y0) / (y1 - y0) * 2 - 1 + 1) * h - 1) / 2
        for x in range(shape[1]):
            sx = (((x + 0.5 - x0) / (x1 - x0) * 2 - 1 + 1) * w - 1) / 2
            value = 0.0
            for iy in (int(np.floor(sy)), int(np.floor(sy)) + 1):
                for ix in (int(np.floor(sx)), int(np.floor(sx)) + 1):
                    if 0 <= iy < h and 0 <= ix < w:
                        value += (1 - abs(sy - iy)) * (1 - abs(sx - ix)) * probability[iy, ix]
            out[y, x] = value >= threshold
    return out


def full(pasted, shape=SHAPE):
    out = np.zeros(shape, bool)
    if pasted is not None:
        y0, x0, mask = pasted
        out[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]] = mask
    return out


def smooth_masks(n, seed=0):
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).normal(size=(n, 28, 28))
    noise = gaussian_filter(noise, (0, 3, 3)) * 30
    return (1 / (1 + np.exp(-noise))).astype(np.float32)


BOXES = {
    "inside": (20.3, 10.8, 61.7, 47.1),
    "smaller than a mask cell": (30.2, 30.4, 33.1, 35.9),
    "over the upper left corner": (-12.4, -7.9, 25.0, 31.3),
    "over the lower right corner": (80.6, 60.2, 140.1, 131.7),
    "larger than the image": (-30.0, -20.0, 150.0, 130.0),
    "at whole pixels": (8.0, 8.0, 36.0, 36.0),
}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES.keys())
def test_pasted_pixels_equal_brute_force_grid_sample(box):
    probability = smooth_masks(1, seed=len(str(box)))[0]
    expected = grid_sample_paste(probability, box, SHAPE)
    assert expected.any()
    np.testing.assert_array_equal(full(paste(probability, np.array(box), SHAPE)), expected)


def test_many_boxes_at_once_equal_one_by_one():
    rng = np.random.default_rng(1)
    corner = rng.uniform(-20, 100, (60, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.5, 70, (60, 2))], axis=1).astype(np.float32)
    masks = smooth_masks(60)
    for index, pasted in enumerate(paste_many(masks, boxes, SHAPE)):
        single = paste(masks[index], boxes[index], SHAPE)
        np.testing.assert_array_equal(full(pasted), full(single))
    expected = grid_sample_paste(masks[7], boxes[7], SHAPE)
    np.testing.assert_array_equal(full(paste(masks[7], boxes[7], SHAPE)), expected)


def test_crops_are_tight_and_own_their_pixels():
    masks = smooth_masks(5)
    for _y0, _x0, mask in filter(None, paste_many(masks, np.tile([5, 5, 60, 70], (5, 1)), SHAPE)):
        assert mask.any(axis=1)[[0, -1]].all()
        assert mask.any(axis=0)[[0, -1]].all()
        assert mask.dtype == bool
        assert mask.base is None


def test_masks_are_cut_at_the_border_not_squeezed():
    probability = np.ones((28, 28), np.float32)
    y0, x0, mask = paste(probability, np.array([-20.0, -20.0, 20.0, 20.0]), SHAPE)
    assert (y0, x0) == (0, 0)
    assert mask.shape == (20, 20)
    assert mask.all()


@pytest.mark.parametrize(
    "box", [(200, 200, 240, 240), (-50, -50, -10, -10), (10, 10, 10, 30), (30, 10, 20, 30), (np.nan, 0, 9, 9)]
)
def test_boxes_without_a_pixel_in_the_image_give_none(box):
    assert paste(np.ones((28, 28)), np.array(box, float), SHAPE) is None


def test_empty_masks_give_none():
    assert paste(np.zeros((28, 28)), np.array([10.0, 10, 40, 40]), SHAPE) is None


def test_no_boxes_give_no_masks():
    assert paste_many(np.zeros((0, 28, 28)), np.zeros((0, 4)), SHAPE) == []
