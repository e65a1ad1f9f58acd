from pathlib import Path

import numpy as np
import pytest
from blobs import APART, SHAPE, f1, options, truth_of
from seen import EVEN

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.regions import rectangles
from napari_centermask.io.reviewed import centred_within
from napari_centermask.pipeline import (
    Progress,
    segment,
    segment_plane,
    with_card_defaults,
)
from napari_centermask.pipeline.progress import run_through
from napari_centermask.settings import PreprocessSettings, SegmentSettings


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_cells_of_another_size_are_rescaled_to_the_trained_one(fake, factor):
    shape = (int(600 * factor), int(700 * factor))
    disks = [(y * factor, x * factor, r * factor) for y, x, r in fake.place((600, 700), 200, radii=(12, 24))]
    image = fake.draw(shape, disks)
    engine = fake.engine()
    instances = segment(image, engine, options(diameter=40 * factor, min_area=4))
    assert f1(truth_of(image), instances) >= 0.99
    assert abs(engine.tiles[0][0] - 600) <= 32


def test_scaled_down_images_are_read_the_same_in_tiles(fake):
    shape = (2400, 2000)
    image = fake.draw(shape, fake.place(shape, 300, radii=(20, 60)))
    small, whole = (segment(image, fake.engine(), options(diameter=100, tile=t)) for t in (256, 2048))
    assert f1(small, whole) >= 0.99


def test_progress_counts_the_tiles_and_the_caller_may_stop(fake):
    image = fake.draw((1500, 700), [(500, 500, 20)])
    engine = fake.engine()
    steps = list(progress_of(segment_plane(image, engine, options(tile=512))))
    n = len(engine.tiles)
    assert n > 2
    assert [s.part for s in steps] == pytest.approx([k / n for k in range(n + 1)])
    assert all(isinstance(s, Progress) for s in steps)
    engine = fake.engine()
    running = segment_plane(image, engine, options(tile=512))
    next(running)
    next(running)
    running.close()
    assert len(engine.tiles) == 1


def progress_of(steps):
    """What a generator yields."""
    yield from steps


def test_the_diameter_is_estimated_when_not_given(fake):
    image = fake.draw((600, 700), fake.place((600, 700), 150, radii=(30, 34)))
    engine = fake.engine()
    steps = segment_plane(image, engine, SegmentSettings(percentiles=(0, 100)))
    assert next(steps).total == 0
    assert run_through(steps).diameter == pytest.approx(64, rel=0.1)
    assert abs(engine.tiles[-1][0] - 600 * 40 / 64) <= 48


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_constant_images_give_no_cells(fake, value):
    image = np.full((1, 64, 80), value, np.uint16)
    assert len(segment(image, fake.engine())) == 0
    assert segment(image, fake.engine()).shape == (64, 80)


def test_grey_images_are_repeated_for_colour_models(fake):
    image = fake.draw((100, 100), [(50, 50, 15)])
    assert len(segment(image, fake.engine(fake.card(channels=3)), options())) == 1
    assert len(segment(image[0], fake.engine(fake.card(channels=3)), options())) == 1


def test_chosen_channels_are_used_in_their_order(fake):
    image = np.zeros((5, 100, 100), np.uint8)
    image[3] = fake.draw((100, 100), [(50, 50, 15)])
    assert len(segment(image, fake.engine(fake.card(channels=3)), options(channels=[3, 0, 1]))) == 1
    assert len(segment(image, fake.engine(fake.card(channels=3)), options(channels=[0, 3, 1]))) == 0
    assert len(segment(image, fake.engine(fake.card(channels=3)), options(channels=[3]))) == 1


BAD = {
    "five channels": (np.zeros((5, 64, 64)), "Choose channels"),
    "one by one": (np.zeros((1, 1, 1)), "1 x 1"),
    "empty": (np.zeros((1, 0, 64)), "0 x 64"),
    "no channels": (np.zeros((0, 64, 64)), "2 x 2"),
    "four axes": (np.zeros((2, 1, 64, 64)), "axes"),
    "one axis": (np.zeros(64), "axes"),
    "complex": (np.zeros((1, 64, 64), complex), "complex128"),
    "text": (np.full((1, 4, 4), "x"), "numbers"),
    "NaN": (np.full((1, 64, 64), np.nan), "NaN"),
    "infinite": (np.full((1, 64, 64), np.inf), "NaN or infinite"),
}


@pytest.mark.parametrize(("image", "message"), BAD.values(), ids=BAD.keys())
def test_bad_images_are_refused_with_a_message(fake, image, message):
    with pytest.raises(BadImage, match=message):
        segment(image, fake.engine(fake.card(channels=3)), options())


def test_channels_that_do_not_exist_are_refused(fake):
    with pytest.raises(BadImage, match="between 0 and 1"):
        segment(np.zeros((2, 64, 64)), fake.engine(), options(channels=[2]))


def test_some_nan_pixels_do_no_harm(fake):
    image = fake.draw((100, 100), [(50, 50, 15)]).astype(np.float32)
    image[0, :5] = np.nan
    image[0, -1, 0] = np.inf
    assert len(segment(image, fake.engine(), options())) == 1


def test_settings_that_do_not_fit_are_refused(fake):
    image = fake.draw((100, 100), [(50, 50, 15)])
    with pytest.raises(BadSettings, match="overlap"):
        segment(image, fake.engine(), options(tile=128, overlap=128))
    with pytest.raises(BadSettings, match="diameter"):
        segment(image, fake.engine(), options(diameter=0.5))


def test_the_cards_defaults_hold_where_the_user_set_nothing(fake):
    card = fake.card(defaults={"score": 0.25, "nms": 0.7, "unknown": 1}, percentiles=(2.0, 99.0))
    chosen = with_card_defaults(SegmentSettings(nms=0.5), card)
    assert (chosen.score, chosen.nms, chosen.percentiles) == (0.25, 0.5, (2.0, 99.0))


def masks(cells):
    return {cell.box: cell.mask.tobytes() for cell in cells}


@pytest.mark.parametrize("diameter", [40, 26, 70])
@pytest.mark.parametrize(
    "regions", [APART, [(100, 100, 400, 500), (400, 100, 700, 500)], [(0, 0, *SHAPE)], [(200, 0, 260, 1600)]]
)
def test_the_cells_of_regions_are_those_of_the_whole_image(fake, regions, diameter):
    radii = (diameter * 0.3, diameter * 0.6)
    image = fake.draw(SHAPE, fake.place(SHAPE, 400, radii=radii))
    expected = centred_within(segment(image, fake.engine(), options(diameter=diameter)), regions)
    instances = segment(image, fake.engine(), options(diameter=diameter), region=rectangles(regions))
    assert len(expected) > 5
    assert masks(instances) == masks(expected)
    assert instances.shape == SHAPE
    assert len({cell.id for cell in instances}) == len(instances)


def test_no_region_has_no_cells_and_one_beside_the_image_is_refused(fake):
    image = fake.draw((100, 100), [(50, 50, 15)])
    assert len(segment(image, fake.engine(), options(), region=())) == 0
    with pytest.raises(BadImage, match="outside the image"):
        segment(image, fake.engine(), options(), region=rectangles([(200, 200, 300, 300)]))


def test_what_the_user_sets_goes_before_what_the_model_knows(fake):
    card = fake.card(preprocess=EVEN)
    assert with_card_defaults(SegmentSettings(), card).preprocess == EVEN
    wanted = SegmentSettings(preprocess=PreprocessSettings(denoise="none", flat_field="flat.tif", dark=7))
    twice = with_card_defaults(with_card_defaults(wanted, card), card)
    assert twice.preprocess == EVEN.model_copy(update={"denoise": "none", "flat_field": Path("flat.tif"), "dark": 7})


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


def test_soft_suppression_lowers_the_score_of_a_cell_that_hard_suppression_drops(fake):
    image = np.zeros((200, 200), np.float32)  # two hooks, one in the other: boxes overlap by 0.61, masks do not
    image[50:150, 50:60] = image[140:150, 50:150] = 1
    image[52:62, 70:148] = image[52:130, 138:148] = 1
    hard, soft = (segment(image, fake.engine(), options(**how)) for how in ({"nms": 0.5}, {"soft_nms": 0.9}))
    assert (len(hard), len(soft)) == (1, 2)
    kept, lowered = sorted((c.score for c in soft), reverse=True)
    assert kept == pytest.approx(hard[hard.ids[0]].score)
    apart = segment(image, fake.engine(), options(nms=0.9))
    assert lowered == pytest.approx(min(c.score for c in apart) * np.exp(-(0.6084**2) / 0.9), rel=0.02)
