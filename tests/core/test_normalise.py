import numpy as np
import pytest

from napari_centermask.core.errors import BadImage
from napari_centermask.core.normalise import intensity_range, normalise


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(100, 20, (2, 120, 90)).astype(np.float32)


def test_range_equals_numpy_percentiles_on_small_images(image):
    lo, hi = intensity_range(image, (1, 99))
    np.testing.assert_allclose(lo, np.percentile(image, 1, axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(hi, np.percentile(image, 99, axis=(1, 2)), rtol=1e-6)
    assert lo.dtype == hi.dtype == np.float32
    assert lo.shape == (2,)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float16, np.float64])
def test_every_dtype_gives_the_same_normalised_image(image, dtype):
    whole = np.round(np.clip(image, 0, 200)).astype(np.float32)
    expected = normalise(whole, *intensity_range(whole))
    typed = whole.astype(dtype)
    np.testing.assert_allclose(normalise(typed, *intensity_range(typed)), expected, atol=1e-5)


def test_bool_images_keep_their_two_levels():
    image = np.zeros((1, 20, 20), bool)
    image[0, 5:15, 5:15] = True
    out = normalise(image, *intensity_range(image))
    assert set(np.unique(out)) == {0.0, 1.0}
    assert out.dtype == np.float32


def test_percentiles_map_to_zero_and_one(image):
    lo, hi = intensity_range(image)
    ends = np.stack([lo, hi], axis=1)[:, :, None]
    np.testing.assert_allclose(normalise(ends, lo, hi)[:, :, 0], [[0, 1], [0, 1]], atol=1e-6)


def test_outliers_are_clipped(image):
    lo, hi = intensity_range(image)
    image[0, 0, :2] = -1e9, 1e9
    np.testing.assert_array_equal(normalise(image, lo, hi)[0, 0, :2], [-0.5, 2.0])


def test_constant_channels_become_zeros():
    image = np.stack([np.full((9, 9), 7, np.uint16), np.arange(81, dtype=np.uint16).reshape(9, 9)])
    out = normalise(image, *intensity_range(image))
    assert not out[0].any()
    assert out[1].any()


def test_non_finite_pixels_are_left_out_of_the_range_and_of_the_result(image):
    expected = intensity_range(image)
    spoilt = np.concatenate([image, np.full((2, 120, 10), np.nan, np.float32)], axis=2)
    spoilt[:, 0, -1] = np.inf
    spoilt[:, 1, -1] = -np.inf
    lo, hi = intensity_range(spoilt)
    np.testing.assert_array_equal((lo, hi), expected)
    out = normalise(spoilt, lo, hi)
    assert np.isfinite(out).all()
    assert (out[:, 2:, -1] == 0).all()
    assert (out[:, 0, -1] == 2).all()
    assert (out[:, 1, -1] == -0.5).all()


def test_an_image_without_finite_pixels_is_refused():
    image = np.zeros((2, 8, 8))
    image[1] = np.nan
    with pytest.raises(BadImage, match="Channel 1"):
        intensity_range(image)


def test_huge_floats_raise_no_warning():
    image = np.random.default_rng(0).uniform(-1e300, 1e300, (1, 8, 8))
    assert np.isfinite(normalise(image, *intensity_range(image))).all()


def test_large_images_are_read_with_strides(tmp_path):
    path = tmp_path / "image.npy"
    image = np.lib.format.open_memmap(path, "w+", np.uint8, (1, 1000, 1000))
    image[:] = np.random.default_rng(0).integers(0, 256, (1, 1000, 1000), np.uint8)

    class Lazy:
        shape = image.shape
        seen = 0

        def __getitem__(self, index):
            Lazy.seen = image[index].size
            return image[index]

    lo, hi = intensity_range(Lazy(), (10, 90), sample=10_000)
    assert Lazy.seen <= 10_000
    assert abs(lo[0] - 25.6) < 6
    assert abs(hi[0] - 230.4) < 6


def test_a_small_bright_cell_on_an_empty_field_is_seen():
    image = np.zeros((1, 200, 200), np.uint16)
    image[0, 50:55, 50:55] = 900
    out = normalise(image, *intensity_range(image))
    assert out.max() == 1


def test_z_scores_of_minus_one_and_three_become_zero_and_one(image):
    out = normalise(image, *intensity_range(image, zscore=True))
    z = (image - image.mean(axis=(1, 2), keepdims=True)) / image.std(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(out, (np.clip(z, -3, 7) + 1) / 4, atol=1e-5)
    flat = np.full((1, 9, 9), 3, np.uint16)
    assert not normalise(flat, *intensity_range(flat, zscore=True)).any()


@pytest.mark.parametrize("zscore", [False, True])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_a_signal_in_three_hundredths_of_the_range_is_seen_as_in_the_full_range(dtype, zscore):
    """A hidden conversion to 8 bits would leave 8 grey levels of the 256."""
    full = np.random.default_rng(0).integers(0, 256, (1, 80, 90)).astype(np.uint8)
    full.ravel()[:256] = np.arange(256)  # every grey level occurs
    low = (full.astype(np.float64) * 7 + 100).astype(np.uint16).astype(dtype)  # 100 to 1885 of 65535
    expected = normalise(full, *intensity_range(full, zscore=zscore))
    normalised = normalise(low, *intensity_range(low, zscore=zscore))
    np.testing.assert_allclose(normalised, expected, atol=2e-6)
    assert len(np.unique(normalised)) == len(np.unique(expected)) >= 250
