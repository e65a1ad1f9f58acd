"""Channels by name, corrections by window, and intensities of every depth."""

from pathlib import Path

import numpy as np
import pytest

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.illumination import Corrected
from napari_centermask.core.normalise import intensity_range, normalise
from napari_centermask.pipeline import segment
from napari_centermask.pipeline.channels import missing_channels
from napari_centermask.pipeline.correction import correction_of
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.pipeline.segmentation import with_card_defaults
from napari_centermask.settings import PreprocessSettings, SegmentSettings

NAMES = ["nucleus", "cytoplasm", "membrane"]
EVEN = PreprocessSettings(background="tophat", background_size=40, denoise="gaussian", denoise_size=1.5)


@pytest.fixture
def image():
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).normal(size=(3, 300, 420))
    slope = np.linspace(0, 2000, 420)
    return (gaussian_filter(noise, (0, 2, 2)) * 500 + 500 + slope).clip(0, 4000).astype(np.uint16)


def read(image, card, *, scale=1.0, box=None, **settings):
    scaled = ModelInput.of(image, card, SegmentSettings(**settings)).scaled(scale)
    return scaled.read(box or (0, 0, *scaled.shape))


def test_swapping_names_and_order_together_changes_nothing(fake, image):
    card = fake.card(channels=3, channel_names=NAMES)
    expected = read(image, card)
    np.testing.assert_array_equal(read(image, card, channel_names=NAMES), expected)
    swapped = read(image[[2, 0, 1]], card, channel_names=["Membrane ", "NUCLEUS", "cytoplasm"])
    np.testing.assert_array_equal(swapped, expected)
    more = np.concatenate([image[:1] // 2, image[[1, 0, 2]]])
    names = ["debris", "cytoplasm", "nucleus", "membrane"]
    np.testing.assert_array_equal(read(more, card, channel_names=names), expected)
    part = read(more, card, channel_names=names, channels=[1, 2, 3])
    np.testing.assert_array_equal(part, expected)


def test_names_mean_nothing_to_a_model_without(fake, image):
    card = fake.card(channels=3)
    np.testing.assert_array_equal(read(image, card, channel_names=["c", "b", "a"]), read(image, card))
    one = fake.card(channels=1, channel_names=["nucleus"])
    np.testing.assert_array_equal(read(image[:1], one, channel_names=["DAPI"]), read(image[:1], one))


def test_a_missing_channel_is_empty_where_the_model_knows_that(fake, image):
    card = fake.card(channels=3, channel_names=NAMES, bears_missing=True)
    settings = {"channel_names": ["membrane", "nucleus"]}
    tile = read(image[[2, 0]], card, **settings)
    expected = read(image, card)
    expected[:, 1] = 0
    np.testing.assert_array_equal(tile, expected)
    assert missing_channels(2, card, SegmentSettings(**settings)) == ["cytoplasm"]
    assert missing_channels(3, card, SegmentSettings()) == []


@pytest.mark.parametrize(
    ("kind", "n", "settings", "words"),
    [
        (BadImage, 2, {"channel_names": ["membrane", "nucleus"]}, "cytoplasm is missing.*drop_channel"),
        (
            BadImage,
            3,
            {"channel_names": ["DAPI", "GFP", "WGA"]},
            "nucleus, cytoplasm, membrane, but the image has DAPI",
        ),
        (BadImage, 2, {}, "the image's channels have no names.*--channel-names nucleus cytoplasm membrane"),
        (BadImage, 1, {}, "the image's channels have no names"),
        (BadSettings, 3, {"channel_names": ["nucleus"]}, "The image has 3 channels, but there are 1 names"),
        (BadSettings, 3, {"channel_names": ["a", "A ", "b"]}, "Channel names must differ"),
        (BadImage, 3, {"channels": [0, 7]}, "between 0 and 2"),
    ],
)
def test_channels_that_do_not_fit_are_named_with_the_remedy(fake, image, kind, n, settings, words):
    with pytest.raises(kind, match=words):
        read(image[:n], fake.card(channels=3, channel_names=NAMES), **settings)


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


def test_what_the_user_sets_goes_before_what_the_model_knows(fake):
    card = fake.card(preprocess=EVEN)
    assert with_card_defaults(SegmentSettings(), card).preprocess == EVEN
    wanted = SegmentSettings(preprocess=PreprocessSettings(denoise="none", flat_field="flat.tif", dark=7))
    twice = with_card_defaults(with_card_defaults(wanted, card), card)
    assert twice.preprocess == EVEN.model_copy(update={"denoise": "none", "flat_field": Path("flat.tif"), "dark": 7})


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


def test_z_scores_are_what_the_card_says(fake, image):
    tile = read(image, fake.card(channels=3, normalisation="zscore", mean=[0.25], std=[0.25]))
    z = (image - image.mean(axis=(1, 2), keepdims=True)) / image.std(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(tile[0, :, :300, :420], np.clip(z, -3, 7), atol=1e-4)


@pytest.mark.parametrize("preprocess", [PreprocessSettings(), EVEN])
@pytest.mark.parametrize("normalisation", ["percentile", "zscore"])
@pytest.mark.parametrize(
    "change",
    [
        lambda x: (x.astype(np.uint16) * 7 + 100).astype(np.uint16),  # 100 to 1500 of 65535
        lambda x: x.astype(np.float32) * 1e-6 - 3e-5,
        lambda x: x.astype(np.float64) / 255,
        lambda x: (x.astype(np.int32) - 50_000) * 3,
    ],
)
def test_cells_do_not_depend_on_how_intensities_are_stored(fake, change, normalisation, preprocess):
    image = fake.draw((300, 300), fake.place((300, 300), 30, radii=(9, 16), seed=4))
    image[image == 0] = np.random.default_rng(0).integers(20, 30, np.count_nonzero(image == 0))
    card = fake.card(normalisation=normalisation, preprocess=preprocess)
    settings = SegmentSettings(diameter=40, tile=192)
    expected = segment(image, fake.engine(card), settings)
    instances = segment(change(image), fake.engine(card), settings)
    assert len(instances) == len(expected) >= 15
    for a, b in zip(expected, instances, strict=True):
        assert a.box == b.box
        np.testing.assert_array_equal(a.mask, b.mask)


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
