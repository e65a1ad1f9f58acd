import numpy as np
import pytest

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.flat_field import estimate_gain, gain_of

SHAPE = (230, 310)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]
LIGHT = 1.2 - 0.8 * ((Y / SHAPE[0] - 0.5) ** 2 + (X / SHAPE[1] - 0.5) ** 2)  # a lamp brighter in the middle


def test_the_light_is_found_from_many_images():
    rng = np.random.default_rng(0)
    slide = np.full((1200, 1200), 100.0)
    for y, x in rng.integers(0, 1180, (500, 2)):
        slide[y : y + 16, x : x + 16] = 500
    images = []
    for y, x in rng.integers(0, 800, (60, 2)):
        part = slide[y : y + SHAPE[0], x : x + SHAPE[1]]
        images.append((part * LIGHT + 30 + rng.normal(0, 5, SHAPE))[None])
    gain = estimate_gain(images, dark=30.0)
    assert gain.shape == (1, *SHAPE)
    assert gain.mean() == pytest.approx(1, abs=1e-5)
    error = gain[0] / (LIGHT / LIGHT.mean()) - 1
    assert np.abs(error[20:-20, 20:-20]).max() < 0.06  # a lamp that varies by a factor of 1.5
    before, after = (x / x.mean() for x in (LIGHT, LIGHT / gain[0]))
    assert after.std() < 0.35 * before.std()


def test_images_without_a_common_light_are_refused():
    with pytest.raises(BadImage, match="no images"):
        estimate_gain([])
    with pytest.raises(BadImage, match="differ in shape"):
        estimate_gain([np.ones((1, 8, 8)), np.ones((1, 9, 8))])
    with pytest.raises(BadImage, match="brighter"):
        estimate_gain([np.ones((1, 8, 8))], dark=2.0)
    with pytest.raises(BadImage, match="finite"):
        estimate_gain([np.full((1, 8, 8), np.nan)])


def test_a_field_is_brought_to_mean_one_in_each_channel():
    field = np.stack([LIGHT * 900, LIGHT.T.copy().T * 30 + 5])
    gain = gain_of(field, (2, *SHAPE))
    assert gain.dtype == np.float32
    np.testing.assert_allclose(gain.mean(axis=(1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(gain_of(LIGHT, (3, *SHAPE))[0], LIGHT / LIGHT.mean(), rtol=1e-5)


def test_black_corners_are_not_brightened_without_end():
    field = np.ones((20, 20))
    field[:2, :2] = 0
    gain = gain_of(field, (1, 20, 20))
    assert gain[0, 0, 0] == pytest.approx(0.05)
    assert gain[0, 5, 5] == pytest.approx(400 / 396)


@pytest.mark.parametrize(
    "field", [np.ones((2, 20, 20)), np.ones((20, 21)), np.zeros((20, 20)), np.full((20, 20), np.nan)]
)
def test_a_field_of_other_images_or_without_light_is_refused(field):
    with pytest.raises(BadSettings, match="flat field"):
        gain_of(field, (3, 20, 20))
