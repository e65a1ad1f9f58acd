"""The kind of an image is known by a look at its intensities."""

import numpy as np
import pytest
from scipy import ndimage

from napari_centermask.core.image_kind import image_kind

RNG = np.random.default_rng(7)


def blobs(shape=(300, 300), n=30):
    """(H, W) smooth round cells from 0 to 1."""
    image = np.zeros(shape, np.float32)
    image[tuple(RNG.integers(0, shape[0], (2, n)))] = 1
    grown = ndimage.maximum_filter(image, footprint=np.hypot(*np.mgrid[-9:10, -9:10]) <= 9)
    return ndimage.gaussian_filter(grown, 1)


def noisy(image, level):
    return image + RNG.normal(0, level, image.shape).astype(np.float32)


def fluorescence():
    return noisy(blobs() * 3000 + 120, 10)


def phase_contrast():
    cells = blobs()
    return noisy(1500 + 900 * (ndimage.gaussian_filter(cells, 2) - ndimage.gaussian_filter(cells, 5)) - 60 * cells, 8)


def bright_field():
    return noisy(200 - 60 * blobs(), 3)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_light_from_cells_and_light_through_cells_are_told_apart(dtype):
    assert image_kind(fluorescence()[None].astype(dtype), is_rgb=False) == "fluorescence"
    assert image_kind(phase_contrast()[None].astype(dtype), is_rgb=False) == "transmitted"
    assert image_kind(bright_field()[None].astype(dtype), is_rgb=False) == "transmitted"


def test_colours_on_a_bright_ground_are_a_stained_section():
    cells = blobs()
    purple = np.stack([235 - 110 * cells, 215 - 150 * cells, 230 - 70 * cells])
    assert image_kind(noisy(purple, 3), is_rgb=True) == "stained"
    assert image_kind(noisy(purple, 3), is_rgb=False) == "transmitted"  # channels that are no colours


def test_a_grey_image_saved_as_colours_is_none():
    assert image_kind(np.stack([bright_field()] * 3), is_rgb=True) == "transmitted"


def test_stains_in_false_colours_stay_fluorescence():
    assert (
        image_kind(np.stack([noisy(blobs() * 20, 1), noisy(blobs() * 20, 1), blobs() * 240]), is_rgb=True)
        == "fluorescence"
    )


def test_nothing_is_claimed_of_a_blank_field_or_of_noise():
    assert image_kind(np.full((1, 64, 64), 7, np.uint8), is_rgb=False) is None
    assert image_kind(noisy(np.full((1, 300, 300), 100, np.float32), 10), is_rgb=False) is None
    assert image_kind(np.full((1, 64, 64), np.nan, np.float32), is_rgb=False) is None


class Watched:
    """A large image that counts the pixels that are read."""

    def __init__(self, side):
        self.shape, self.dtype, self.read, self.strides = (1, side, side), np.dtype(np.float32), 0, set()

    def __getitem__(self, index):
        one = fluorescence()
        rows, columns = (np.arange(*part.indices(self.shape[1])) % 300 for part in index[1:])
        self.read += len(rows) * len(columns)
        self.strides.add(index[1].step)
        return one[None, rows][:, :, columns]


def test_little_of_a_large_image_is_read_and_of_a_huge_one_only_the_middle():
    large, huge = Watched(4000), Watched(50_000)
    assert image_kind(large, is_rgb=False) == image_kind(huge, is_rgb=False) == "fluorescence"
    assert large.read < 600_000 > huge.read
    assert (large.strides, huge.strides) == ({8, None}, {None})
