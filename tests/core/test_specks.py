"""A bright speck does not take the intensity range from the cells; a lone cell is no speck."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_centermask.core.normalise import intensity_range


def field(*, cells=True, noise=4.0, shape=(256, 256)):
    rng = np.random.default_rng(0)
    image = np.full(shape, 100.0)
    if cells:
        for y in range(20, 240, 40):
            for x in range(20, 240, 40):
                image[y : y + 14, x : x + 14] += 60
    return (image + rng.normal(0, noise, shape))[None].astype(np.float32)


def with_speck(image, level=5000, at=(60, 70), side=16):
    image = image.copy()
    image[0, at[0] : at[0] + side, at[1] : at[1] + side] = level  # 0.4 % of the image
    return image


@pytest.mark.parametrize("at", [(60, 70), (56, 56), (0, 0), (240, 100)])
def test_a_speck_takes_no_range_from_the_cells(at):
    image = field()
    plain, usual, without = (
        float(intensity_range(i, specks=s)[1][0])
        for i, s in ((image, True), (with_speck(image, at=at), True), (with_speck(image, at=at), False))
    )
    assert usual == 5000
    assert without == pytest.approx(plain, rel=0.03)


def test_several_specks_are_left_out():
    image = with_speck(with_speck(field(), 5000, (60, 70)), 3000, (200, 200))
    assert intensity_range(image, specks=False)[1][0] < 200


def test_an_image_without_a_speck_keeps_its_range():
    for image in (field(), field(cells=False), gaussian_filter(field(), (0, 2, 2)), np.ones((1, 64, 64), np.uint8)):
        np.testing.assert_array_equal(intensity_range(image, specks=False), intensity_range(image))


def test_a_lone_cell_in_an_empty_field_is_no_speck():
    image = with_speck(field(cells=False), 300)
    np.testing.assert_array_equal(intensity_range(image, specks=False), intensity_range(image))


def test_missing_pixels_and_z_scores():
    image = with_speck(field())
    image[0, :3] = np.nan
    assert intensity_range(image, specks=False)[1][0] < 200
    assert intensity_range(image, specks=False, zscore=True)[1][0] < 250
    assert intensity_range(image, zscore=True)[1][0] > 900
