import numpy as np
import pytest
from PIL import Image
from seen import read

from napari_centermask.core.normalise import intensity_range, normalise
from napari_centermask.engines.load import load_engine
from napari_centermask.pipeline import segment
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.settings import PreprocessSettings, SegmentSettings

SETTINGS = SegmentSettings()


@pytest.fixture
def image():
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).normal(size=(3, 300, 420))
    return (gaussian_filter(noise, (0, 2, 2)) * 500 + 500).clip(0, 4000).astype(np.uint16)


def test_whole_image_is_normalised_padded_and_batched(fake, image):
    scaled = ModelInput.of(image, fake.card(channels=3), SETTINGS).scaled(1.0)
    tile = scaled.read((0, 0, 300, 420))
    assert tile.shape == (1, 3, 320, 448)
    assert tile.dtype == np.float32
    expected = normalise(image, *intensity_range(image, SETTINGS.percentiles))
    np.testing.assert_array_equal(tile[0, :, :300, :420], expected)
    np.testing.assert_array_equal(tile[0, :, 300:, :420], expected[:, :-21:-1])


@pytest.mark.parametrize("scale", [0.23, 0.5, 0.81, 1.7])
def test_windows_equal_the_image_resized_whole(fake, image, scale):
    scaled = ModelInput.of(image[:1], fake.card(), SETTINGS).scaled(scale)
    height, width = scaled.shape
    plane = normalise(image[:1], *intensity_range(image[:1], SETTINGS.percentiles))[0]
    whole = np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
    y, x = height // 3, width // 3
    for box in ((0, 0, y, width), (y, x, height, 2 * x), (5, 7, y, x)):
        part = scaled.read(box)[0, 0, : box[2] - box[0], : box[3] - box[1]]
        np.testing.assert_allclose(part, whole[box[0] : box[2], box[1] : box[3]], atol=1e-4)


def test_strips_do_not_show(fake, image, monkeypatch):
    scaled = ModelInput.of(image, fake.card(channels=3), SETTINGS).scaled(0.4)
    whole = scaled.read((0, 0, *scaled.shape))
    monkeypatch.setattr("napari_centermask.pipeline.model_input._STRIP", 10_000)
    np.testing.assert_allclose(scaled.read((0, 0, *scaled.shape)), whole, atol=1e-5)


def test_scales_near_one_are_one(fake, image):
    source = ModelInput.of(image[:1], fake.card(), SETTINGS)
    assert source.scaled(1.02).factors == (1, 1)
    assert source.scaled(1.05).factors != (1, 1)


def test_boxes_and_windows_go_back_to_image_pixels(fake, image):
    scaled = ModelInput.of(image[:1], fake.card(), SETTINGS).scaled(0.5)
    np.testing.assert_allclose(scaled.to_image(np.array([[10.0, 20, 30, 40]])), [[20, 40, 60, 80]])
    assert scaled.window((10, 20, 150, 210)) == (20, 40, 300, 420)
    for factor in (0.37, 1.9):
        scaled = ModelInput.of(image[:1], fake.card(), SETTINGS).scaled(factor)
        assert scaled.window((0, 0, *scaled.shape)) == (0, 0, 300, 420)


def test_mean_and_std_of_the_card_apply_after_normalisation(fake, image):
    plain = ModelInput.of(image, fake.card(channels=3), SETTINGS).scaled(1).read((0, 0, 64, 64))
    card = fake.card(channels=3, mean=[0.1, 0.2, 0.3], std=[0.5])
    tile = ModelInput.of(image, card, SETTINGS).scaled(1).read((0, 0, 64, 64))
    mean = np.array([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(tile, (plain - mean) / 0.5, atol=1e-6)


def test_reference_normalisation_is_bgr_minus_mean_with_zero_padding(fake):
    mean = [103.53, 116.28, 123.675]
    card = fake.card(channels=3, normalisation="reference", mean=mean)
    rgb = np.random.default_rng(0).integers(0, 256, (3, 40, 50), np.uint8)
    tile = ModelInput.of(rgb, card, SETTINGS).scaled(1).read((0, 0, 40, 50))
    expected = rgb[::-1].astype(np.float32) - np.array(mean, np.float32).reshape(3, 1, 1)
    np.testing.assert_allclose(tile[0, :, :40, :50], expected, atol=1e-3)
    assert not tile[0, :, 40:].any()
    assert not tile[0, :, :, 50:].any()


def test_blank_images_are_known(fake):
    assert ModelInput.of(np.ones((1, 9, 9)), fake.card(), SETTINGS).is_blank
    assert not ModelInput.of(np.arange(81).reshape(1, 9, 9), fake.card(), SETTINGS).is_blank


@pytest.mark.parametrize("shape", [(2, 3), (30, 20), (20, 100)])
def test_images_smaller_than_a_pooling_of_the_network_are_segmented(shape):
    engine = load_engine("nuclei", engine="openvino", threads=1)
    image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    assert segment(image, engine, SegmentSettings(diameter=None)).shape == shape


def test_z_scores_are_what_the_card_says(fake, image):
    tile = read(image, fake.card(channels=3, normalisation="zscore", mean=[0.25], std=[0.25]))
    z = (image - image.mean(axis=(1, 2), keepdims=True)) / image.std(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(tile[0, :, :300, :420], np.clip(z, -3, 7), atol=1e-4)


def test_specks_take_no_range_where_they_are_ignored(fake):
    rng = np.random.default_rng(0)
    image = (
        rng.normal(100, 4, (1, 256, 256))
        + fake.draw((256, 256), [(y, x, 9) for y in (60, 190) for x in (20, 90, 160, 230)]) / 3
    )
    image[0, 100:116, 100:116] = 5000
    card = fake.card(percentiles=(1.0, 99.8))
    usual = ModelInput.of(image, card, SegmentSettings())
    ignoring = ModelInput.of(image, card, SegmentSettings(preprocess=PreprocessSettings(ignore_specks=True)))
    assert usual.ranges[0][1] == 5000
    assert ignoring.ranges[0][1] < 200
    of_model = ModelInput.of(image, fake.card(preprocess=PreprocessSettings(ignore_specks=True)), SegmentSettings())
    assert of_model.ranges[0][1] == ignoring.ranges[0][1]
