import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_centermask.core import illumination
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.illumination import Corrected, Correction, corrected, find_background

KINDS = ("gaussian", "tophat", "rolling_ball")
SHAPE = (230, 310)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]
SLOPE = 300 + 400 * Y / SHAPE[0] + 300 * X / SHAPE[1]  # a background without cells
LIGHT = 1.2 - 0.8 * ((Y / SHAPE[0] - 0.5) ** 2 + (X / SHAPE[1] - 0.5) ** 2)  # a lamp brighter in the middle


@pytest.fixture
def specimen(cells):
    """(H, W) intensities of cells on a dark ground, and where they are."""
    truth = cells(n=20, overlap=0.0, seed=3, shape=SHAPE, radius=9)
    image, inside = np.zeros(SHAPE), np.zeros(SHAPE, bool)
    for cell in truth:
        y0, x0, y1, x1 = cell.box
        image[y0:y1, x0:x1][cell.mask] = 500
        inside[y0:y1, x0:x1] |= cell.mask
    return gaussian_filter(image, 0.7), inside


@pytest.fixture
def image(specimen):
    """(2, H, W) uint16 with noise on an uneven background."""
    noise = np.random.default_rng(0).normal(0, 15, (2, *SHAPE))
    return np.clip(np.stack([specimen[0] + SLOPE, 0.1 * specimen[0] + SLOPE / 2]) + noise, 0, None).astype(np.uint16)


@pytest.mark.parametrize("denoise", ["none", "gaussian", "median"])
@pytest.mark.parametrize("background", ["none", *KINDS])
def test_a_window_is_the_same_bit_by_bit_as_in_the_whole(image, background, denoise):
    light = np.stack([LIGHT, LIGHT[::-1]])
    how = Correction(background, 48.0, denoise, 1.6, light, 20.0)
    whole = Corrected(image, how)[:]
    assert whole.shape == image.shape
    assert whole.dtype == np.float32
    for y0, x0, y1, x1 in ((0, 0, 1, 1), (3, 5, 97, 201), (100, 150, 230, 310), (229, 0, 230, 310)):
        np.testing.assert_array_equal(Corrected(image, how)[:, y0:y1, x0:x1], whole[:, y0:y1, x0:x1])
    np.testing.assert_array_equal(Corrected(image, how)[1:2, 2:200:7, ::11], whole[1:2, 2:200:7, ::11])
    np.testing.assert_array_equal(Corrected(image, how)[-1, 9, ::11], whole[-1, 9, ::11])


def test_blocks_do_not_show_and_bound_what_is_read(image, monkeypatch):
    class Lazy:
        shape, dtype, largest = image.shape, image.dtype, 0

        def __getitem__(self, index):
            part = image[index]
            Lazy.largest = max(Lazy.largest, part.size)
            return part

    how = Correction("tophat", 48.0, "median", 2.0)
    whole = Corrected(image, how)[:]
    monkeypatch.setattr(illumination, "BLOCK", 60)
    np.testing.assert_array_equal(Corrected(Lazy(), how)[:], whole)
    np.testing.assert_array_equal(np.asarray(Corrected(Lazy(), how))[:, ::5], whole[:, ::5])
    assert Lazy.largest <= 64 * 64


def test_nothing_is_done_to_an_image_without_need(image):
    assert corrected(image, Correction()) is image


@pytest.mark.parametrize("kind", KINDS)
def test_an_uneven_background_goes_and_the_cells_stay(image, specimen, kind):
    cells, inside = specimen
    out = Corrected(image, Correction(kind, 70.0))[0]
    far = gaussian_filter(inside.astype(float), 4) < 0.01
    before = gaussian_filter(image[0].astype(float), 8)[far].std()
    assert gaussian_filter(out, 8)[far].std() < 0.25 * before
    contrast = out[inside].mean() - out[far].mean()
    assert contrast == pytest.approx(cells[inside].mean(), rel=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_the_depth_in_bits_does_not_matter(image, kind):
    how = Correction(kind, 48.0, "gaussian", 1.0)
    one = Corrected(image.astype(np.float32), how)[:]
    other = Corrected(image.astype(np.float32) * 0.001 - 3, how)[:]
    np.testing.assert_allclose(other, one * 0.001, atol=2e-5)


def test_a_fine_grid_gives_nearly_what_the_full_image_gives(image):
    exact = find_background(image[0].astype(np.float32), "gaussian", 96.0)
    view = Corrected(image, Correction("gaussian", 96.0))
    assert view.step == 6
    background = view.background(0, range(SHAPE[0]), range(SHAPE[1]))
    error = np.abs(background - exact) / (exact.max() - exact.min())
    assert np.median(error) < 0.002
    assert error.max() < 0.06  # at the image's edge


def test_the_ball_is_that_of_scikit_image_on_an_image_of_unit_range():
    from skimage.restoration import ellipsoid_kernel, rolling_ball

    plane = np.random.default_rng(1).random((40, 50)).astype(np.float32)
    low, high = np.percentile(plane, (1, 99.8))
    expected = rolling_ball((plane - low) / (high - low), kernel=ellipsoid_kernel((13, 13), 0.2)) * (high - low) + low
    np.testing.assert_allclose(find_background(plane, "rolling_ball", 12.0), expected, atol=1e-6)


def test_huge_images_get_a_coarser_grid():
    class Huge:
        shape, dtype = (1, 200_000, 100_000), np.dtype(np.uint16)

    view = Corrected(Huge(), Correction("gaussian", 32.0))
    assert (200_000 / view.step) * (100_000 / view.step) <= illumination.GRID


def test_dividing_by_the_light_gives_the_specimen_back(specimen):
    cells = specimen[0] + 50
    seen = (cells * LIGHT + 100)[None]
    out = Corrected(seen, Correction(gain=LIGHT, dark=100.0))[:][0]
    np.testing.assert_allclose(out / out.mean(), cells / cells.mean(), rtol=1e-4)


def test_pixels_that_are_not_numbers_spoil_nothing_beyond_themselves(image):
    how = Correction("gaussian", 48.0, "gaussian", 1.0)
    clean = image.astype(np.float32)
    spoilt = clean.copy()
    spoilt[0, 50, 60], spoilt[0, 51, 60] = np.nan, np.inf
    out = Corrected(spoilt, how)[:]
    assert np.isfinite(out).all()
    far = np.hypot(Y - 50, X - 60) > 60
    np.testing.assert_allclose(out[0][far], Corrected(clean, how)[:][0][far], atol=1.0)


def test_a_light_that_does_not_fit_is_refused(image):
    with pytest.raises(BadSettings, match="230 x 310"):
        Corrected(image, Correction(gain=np.ones((10, 10))))
    with pytest.raises(BadSettings, match="dark"):
        Corrected(image, Correction(gain=np.zeros(SHAPE)))
