import numpy as np
import pytest
from scipy.ndimage import label

from napari_centermask.core.compose import from_label_image
from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.instances import intersection
from napari_centermask.core.tiles import plan
from napari_centermask.pipeline import Progress, segment, segment_steps, suited
from napari_centermask.settings import SegmentSettings

SHAPE = (1500, 1600)
LARGE = [(800, 545, 150), (300, 1100, 120), (1250, 1290, 200)]  # larger than the overlap, across seams of 512 tiles


def options(**fields):
    return SegmentSettings(**({"diameter": 40, "percentiles": (0, 100)} | fields))


def f1(truth, found, iou=0.7):
    def same(t, p):
        shared = intersection(t, p)
        return shared and shared >= iou * (t.area + p.area - shared)

    matched = sum(any(same(t, p) for p in found) for t in truth)
    return 2 * matched / (len(truth) + len(found))


def truth_of(image):
    cells = from_label_image(label(image[0])[0])
    return [c for c in cells if c.area >= 8]


@pytest.mark.parametrize("jitter", [0.0, 0.03])
def test_tile_size_does_not_change_the_cells(fake, jitter):
    image = fake.draw(SHAPE, fake.place(SHAPE, 900, large=LARGE))
    truth = truth_of(image)
    small = segment(image, fake.engine(jitter=jitter), options(tile=512))
    whole = segment(image, fake.engine(jitter=jitter), options(tile=2048))
    assert f1(small, whole) >= 0.99
    assert f1(truth, small) >= 0.99
    assert f1(truth, whole) >= 0.99
    assert abs(len(small) - len(truth)) <= 0.01 * len(truth)


def test_cells_on_seams_appear_once(fake):
    seams = [(y, x, 15) for y in range(30, 1480, 34) for x in range(30, 1580, 37)]
    image = fake.draw(SHAPE, seams)
    found = segment(image, fake.engine(), options(tile=512))
    assert len(found) == len(seams)


@pytest.mark.parametrize(("y", "x", "r"), LARGE)
def test_a_cell_larger_than_the_overlap_is_whole(fake, y, x, r):
    image = fake.draw(SHAPE, [(y, x, r)])
    (found,) = segment(image, fake.engine(), options(tile=512))
    (truth,) = truth_of(image)
    assert intersection(truth, found) / (truth.area + found.area - intersection(truth, found)) > 0.9


def test_heads_run_about_once_per_cell(fake):
    disks = fake.place(SHAPE, 900, radii=(8, 20))
    engine = fake.engine()
    found = segment(fake.draw(SHAPE, disks), engine, options(tile=512))
    assert engine.heads < 1.1 * len(found)


def test_tile_overlap_costs_less_than_a_quarter(fake):
    engine = fake.engine()
    segment(fake.draw((2048, 2048), [(500, 500, 20)]), engine, options())
    assert sum(h * w for h, w in engine.tiles) < 1.25 * 2048**2


def test_large_images_are_read_tile_by_tile(fake):
    image = fake.draw(SHAPE, fake.place(SHAPE, 200))
    largest = []

    class Lazy:
        shape, dtype = image.shape, image.dtype

        def __getitem__(self, index):
            part = image[index]
            largest.append(part.size)
            return part

    found = segment(Lazy(), fake.engine(), options(tile=256))
    assert found.equals(segment(image, fake.engine(), options(tile=256)))
    assert max(largest) <= 512**2


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_cells_of_another_size_are_rescaled_to_the_trained_one(fake, factor):
    shape = (int(600 * factor), int(700 * factor))
    disks = [(y * factor, x * factor, r * factor) for y, x, r in fake.place((600, 700), 200, radii=(12, 24))]
    image = fake.draw(shape, disks)
    engine = fake.engine()
    found = segment(image, engine, options(diameter=40 * factor, min_area=4))
    assert f1(truth_of(image), found) >= 0.99
    assert abs(engine.tiles[0][0] - 600) <= 32


def test_scaled_down_images_are_read_the_same_in_tiles(fake):
    shape = (2400, 2000)
    image = fake.draw(shape, fake.place(shape, 300, radii=(20, 60)))
    small, whole = (segment(image, fake.engine(), options(diameter=100, tile=t)) for t in (256, 2048))
    assert f1(small, whole) >= 0.99


def test_masks_at_the_border_are_cut_by_it(fake):
    image = fake.draw((200, 200), [(3, 3, 25), (197, 100, 25), (100, 199, 20)])
    found = segment(image, fake.engine(), options())
    assert f1(truth_of(image), found, iou=0.85) == 1


def test_ids_run_from_top_to_bottom_and_fields_are_set(fake):
    image = fake.draw((300, 300), fake.place((300, 300), 60))
    found = segment(image, fake.engine(), options())
    assert found.ids == list(range(1, len(found) + 1))
    assert [c.y0 for c in found] == sorted(c.y0 for c in found)
    assert found.categories == {1: "cell"}
    for cell in found:
        assert (cell.source, cell.status, cell.category, cell.mask_quality) == ("fake", "predicted", 1, 1.0)
        assert 0.8 < cell.score < 1


def test_filtering_a_low_threshold_run_equals_a_run_at_the_threshold(fake):
    image = fake.draw((400, 400), fake.place((400, 400), 90))
    everything = segment(image, fake.engine(), options(score=0.96), min_score=0.1)
    high = segment(image, fake.engine(), options(score=0.96))
    few = everything.filter(min_score=0.96)
    assert 0 < len(few) < len(everything)
    assert [(c.box, c.score) for c in few] == [(c.box, c.score) for c in high]


def test_progress_counts_the_tiles_and_the_caller_may_stop(fake):
    image = fake.draw((1500, 700), [(500, 500, 20)])
    steps = list(segment_steps(image, fake.engine(), options(tile=512)))
    total = steps[0].total
    assert [s.done for s in steps] == list(range(total + 1))
    assert all(isinstance(s, Progress) and s.total == total for s in steps)
    engine = fake.engine()
    running = segment_steps(image, engine, options(tile=512))
    next(running)
    next(running)
    running.close()
    assert len(engine.tiles) == 1


def test_the_last_step_tells_the_seams_in_image_pixels(fake):
    image = fake.draw((1500, 700), [(500, 500, 20)])
    (*_, half) = segment_steps(image, fake.engine(), options(tile=512, diameter=80))
    (*_, same) = segment_steps(image, fake.engine(), options(tile=512))
    tiles = plan((1500, 700), tile=512, overlap=SegmentSettings().overlap)
    assert same.seams == tuple(tuple(sorted({float(t.core[a]) for t in tiles} - {0})) for a in (0, 1))
    assert len(half.seams[0]) == 1
    assert half.seams[0][0] == pytest.approx(750, abs=40)
    assert half.seams[1] == ()


def test_the_diameter_is_estimated_when_not_given(fake):
    image = fake.draw((600, 700), fake.place((600, 700), 150, radii=(30, 34)))
    engine = fake.engine()
    steps = segment_steps(image, engine, SegmentSettings(percentiles=(0, 100)))
    assert next(steps).total == 0
    for _ in steps:
        pass
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
    chosen = suited(SegmentSettings(nms=0.5), card)
    assert (chosen.score, chosen.nms, chosen.percentiles) == (0.25, 0.5, (2.0, 99.0))


def test_tiny_cells_are_left_out(fake):
    image = fake.draw((100, 100), [(50, 50, 15), (20, 20, 4)])
    assert len(segment(image, fake.engine(), options(min_area=100))) == 1
