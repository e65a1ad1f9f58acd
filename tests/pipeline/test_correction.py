"""Channels by name, corrections by window, and intensities of every depth."""

import numpy as np
import pytest
from seen import EVEN, read

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.illumination import Corrected
from napari_centermask.core.normalise import intensity_range, normalise
from napari_centermask.pipeline.correction import correction_of
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.settings import PreprocessSettings, SegmentSettings


@pytest.mark.parametrize("scale", [1.0, 0.5, 1.7])
@pytest.mark.parametrize("kind", ["gaussian", "tophat", "rolling_ball"])
def test_a_tile_is_corrected_as_in_the_whole(fake, image, kind, scale):
    card = fake.card(channels=3, preprocess=EVEN.model_copy(update={"background": kind}))
    whole = read(image, card, scale=scale)
    scaled = ModelInput.of(image, card, SegmentSettings()).scaled(scale)
    height, width = scaled.shape
    for box in ((0, 0, 32, 64), (50, 40, 82, 136), (height - 32, width - 32, height, width)):
        y0, x0, y1, x1 = box
        part = scaled.read(box)[:, :, : y1 - y0, : x1 - x0]
        np.testing.assert_allclose(part, whole[:, :, y0:y1, x0:x1], atol=1e-4 if scale != 1 else 0)


def test_sizes_go_with_the_cells(fake, image):
    how = correction_of(EVEN, 0.5)
    assert (how.background_size, how.denoise_size) == (80, 3)
    card = fake.card(channels=3, preprocess=EVEN)
    tile = read(image, card)
    corrected = Corrected(image, correction_of(EVEN, 1.0))[:]
    expected = normalise(corrected, *intensity_range(corrected))
    np.testing.assert_array_equal(tile[0, :, :300, :420], expected)


def test_a_flat_field_evens_the_light(fake, tmp_path):
    yy, xx = np.mgrid[:200, :200]
    light = np.exp(-((yy - 60) ** 2 + (xx - 140) ** 2) / 150**2)
    np.save(tmp_path / "flat.npy", (light * 30_000).astype(np.uint16))
    specimen = np.random.default_rng(0).uniform(200, 1000, (200, 200))
    seen = (specimen * light + 100)[None]
    settings = {"preprocess": {"flat_field": tmp_path / "flat.npy", "dark": 100}}
    tile = read(seen, fake.card(), **settings)[0, 0, :200, :200]
    np.testing.assert_allclose(tile, normalise(specimen[None], *intensity_range(specimen[None]))[0], atol=2e-3)
    with pytest.raises(BadSettings, match="200 x 200"):
        read(seen[:, :100], fake.card(), **settings)
    with pytest.raises(BadImage, match=r"gone\.npy"):
        read(seen, fake.card(), preprocess={"flat_field": tmp_path / "gone.npy"})


def test_a_huge_lazy_image_is_corrected_by_windows(fake):
    class Lazy:
        """Computes what is asked for, and notes the most that was asked at once."""

        shape, dtype, most = (1, 6000, 7000), np.dtype(np.uint16), 0

        def __getitem__(self, index):
            y, x = (np.arange(n)[part] for n, part in zip(self.shape[1:], index[1:], strict=True))
            Lazy.most = max(Lazy.most, len(y) * len(x))
            return ((y[:, None] * 7 + x[None] * 13) % 1000 + y[:, None] // 4).astype(np.uint16)[None]

    image, card = Lazy(), fake.card(preprocess=PreprocessSettings(background="gaussian", denoise="gaussian"))
    scaled = ModelInput.of(image, card, SegmentSettings()).scaled(0.5)
    tile = scaled.read((1000, 1200, 1256, 1456))
    assert tile.shape == (1, 1, 256, 256)
    assert np.isfinite(tile).all()
    assert Lazy.most < 2200**2
