"""Exposure, stain and contrast of training tiles."""

import numpy as np
import pytest

from napari_centermask.settings import AugmentSettings
from napari_centermask.training.data import light
from napari_centermask.training.data.augment import appearance

OFF = {"intensity": 0, "blur": 0, "noise": 0, "gradient": 0, "grey": 0}


def rng(seed=0):
    return np.random.default_rng(seed)


def cells(channels=1):
    image = np.full((channels, 96, 96), 0.1, np.float32)
    image[:, 20:60, 20:60] = 0.8
    return image


def stained():
    """Haematoxylin and eosin on a white background."""
    from skimage.color import hed2rgb

    stains = np.zeros((96, 96, 3))
    stains[20:40, 20:40, 0] = 0.15
    stains[50:70, 50:70, 1] = 0.1
    return hed2rgb(stains).transpose(2, 0, 1).astype(np.float32)


def test_photons_have_the_noise_of_their_number():
    image = np.full((1, 200, 200), 1.0, np.float32)
    for most in (10.0, 100.0):
        noisy = light.photons(image, rng(), most)
        assert noisy.mean() == pytest.approx(1, abs=0.01)
        assert noisy.std() == pytest.approx(np.sqrt(most + 1) / most, rel=0.03)
    assert light.photons(image * 0, rng(), 10.0).std() == pytest.approx(0.1, rel=0.05)


def test_dim_cells_keep_their_background():
    image = light.dim(cells(), 0.1)
    assert image[0, 0, 0] == pytest.approx(0.1)
    assert image[0, 30, 30] == pytest.approx(0.17)


def test_stains_change_in_density_and_white_stays_white():
    image = stained()
    changed = [light.stain(image, rng(seed), 0.3) for seed in range(8)]
    dense = [-np.log(np.clip(i[:, 30, 30], 0.01, None)) for i in (image, *changed)]
    assert max(np.abs(d - dense[0]).max() for d in dense[1:]) > 0.05
    for one in changed:
        assert np.abs(one[:, 85, 10] - image[:, 85, 10]).max() < 0.15
        assert one.dtype == np.float32
    dark = cells(3)
    assert light.stain(dark, rng(), 0.3) is dark


def test_contrast_is_equalised_in_grey_and_colour():
    for channels in (1, 2, 3):
        image = cells(channels) * 0.2
        image[:, 70:, 70:] += np.linspace(0, 0.05, 26, dtype=np.float32)
        changed = light.equalise(image, 0.03)
        assert (changed.shape, changed.dtype) == (image.shape, np.float32)
        assert np.ptp(changed[:, 70:, 70:]) > 2 * np.ptp(image[:, 70:, 70:])


def test_densities_give_the_image_back():
    image = stained()
    np.testing.assert_allclose(light.transmitted(light.optical_density(image)), image, atol=0.021)


@pytest.mark.parametrize("name", ["dim", "photon_noise", "stain", "clahe"])
def test_each_comes_as_often_as_asked_and_not_by_default(name):
    image = stained()

    def differs(probability, seed):
        own = AugmentSettings(**OFF, **{name: probability})
        return not np.allclose(appearance(image, rng(seed), own), image)

    assert not any(differs(0.0, seed) for seed in range(10))
    assert 10 < sum(differs(0.5, seed) for seed in range(40)) < 30
    assert all(differs(1.0, seed) for seed in range(5))


@pytest.mark.parametrize(
    ("name", "value"),
    [("photons", (50, 5)), ("dim_light", (0.5, 2)), ("clahe_limit", (0, 0.1)), ("mixup_light", (-1, 1))],
)
def test_ranges_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValueError, match="the smaller first"):
        AugmentSettings(**{name: value})
