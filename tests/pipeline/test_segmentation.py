import numpy as np
import pytest
from scipy.ndimage import label

from napari_centermask.core.compose import from_label_image
from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.instances import intersection
from napari_centermask.core.regions import rectangles
from napari_centermask.core.tiles import plan
from napari_centermask.io.reviewed import centred_within
from napari_centermask.pipeline import (
    Plane,
    PlaneCells,
    Progress,
    diameter_steps,
    segment,
    segment_plane,
    segment_planes,
    with_card_defaults,
)
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.pipeline.progress import run_through
from napari_centermask.settings import SegmentSettings

SHAPE = (1500, 1600)
LARGE = [(800, 545, 150), (300, 1100, 120), (1250, 1290, 200)]  # larger than the overlap, across seams of 512 tiles


def options(**fields):
    return SegmentSettings(**({"diameter": 40, "percentiles": (0, 100)} | fields))


def f1(truth, predicted, iou=0.7):
    def same(t, p):
        shared = intersection(t, p)
        return shared and shared >= iou * (t.area + p.area - shared)

    matched = sum(any(same(t, p) for p in predicted) for t in truth)
    return 2 * matched / (len(truth) + len(predicted))


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
    instances = segment(image, fake.engine(), options(tile=512))
    assert len(instances) == len(seams)


@pytest.mark.parametrize(("y", "x", "r"), LARGE)
def test_a_cell_larger_than_the_overlap_is_whole(fake, y, x, r):
    image = fake.draw(SHAPE, [(y, x, r)])
    (instances,) = segment(image, fake.engine(), options(tile=512))
    (truth,) = truth_of(image)
    assert intersection(truth, instances) / (truth.area + instances.area - intersection(truth, instances)) > 0.9


def test_heads_run_about_once_per_cell(fake):
    disks = fake.place(SHAPE, 900, radii=(8, 20))
    engine = fake.engine()
    instances = segment(fake.draw(SHAPE, disks), engine, options(tile=512))
    assert engine.heads < 1.1 * len(instances)


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

    instances = segment(Lazy(), fake.engine(), options(tile=256))
    assert instances.equals(segment(image, fake.engine(), options(tile=256)))
    assert max(largest) <= 512**2


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


def test_masks_at_the_border_are_cut_by_it(fake):
    image = fake.draw((200, 200), [(3, 3, 25), (197, 100, 25), (100, 199, 20)])
    instances = segment(image, fake.engine(), options())
    assert f1(truth_of(image), instances, iou=0.85) == 1


def test_ids_run_from_top_to_bottom_and_fields_are_set(fake):
    image = fake.draw((300, 300), fake.place((300, 300), 60))
    instances = segment(image, fake.engine(), options())
    assert instances.ids == list(range(1, len(instances) + 1))
    assert [c.y0 for c in instances] == sorted(c.y0 for c in instances)
    assert instances.categories == {1: "cell"}
    for cell in instances:
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


def test_seams_are_in_image_pixels(fake):
    image = fake.draw((1500, 700), [(500, 500, 20)])
    half = run_through(segment_plane(image, fake.engine(), options(tile=512, diameter=80)))
    same = run_through(segment_plane(image, fake.engine(), options(tile=512)))
    tiles = plan((1500, 700), tile=512, overlap=SegmentSettings().overlap)
    assert same.seams == tuple(tuple(sorted({float(t.core[a]) for t in tiles} - {0})) for a in (0, 1))
    assert len(half.seams[0]) == 1
    assert half.seams[0][0] == pytest.approx(750, abs=40)
    assert half.seams[1] == ()


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


def test_tiny_cells_are_left_out(fake):
    image = fake.draw((100, 100), [(50, 50, 15), (20, 20, 4)])
    assert len(segment(image, fake.engine(), options(min_area=100))) == 1


APART = [(100, 100, 400, 500), (1100, 1000, 1400, 1600)]


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


def test_the_rest_of_the_image_is_not_examined(fake):
    image = fake.draw(SHAPE, fake.place(SHAPE, 900))
    seen = fake.engine()
    segment(image, seen, options(), region=rectangles(APART))
    area = (300 + 240) * (400 + 220) + (300 + 220) * (600 + 120)
    assert sum(int(np.prod(t)) for t in seen.tiles) < 1.35 * area  # tiles overlap


def test_no_region_has_no_cells_and_one_beside_the_image_is_refused(fake):
    image = fake.draw((100, 100), [(50, 50, 15)])
    assert len(segment(image, fake.engine(), options(), region=())) == 0
    with pytest.raises(BadImage, match="outside the image"):
        segment(image, fake.engine(), options(), region=rectangles([(200, 200, 300, 300)]))


def stack_of(fake, *radii, shape=(300, 320)):
    """A plane of 30 discs for each radius; a constant one for 0."""
    return [
        Plane((k,), fake.draw(shape, fake.place(shape, 30, radii=(r, r + 0.1)) if r else []).astype(np.float32))
        for k, r in enumerate(radii)
    ]


def done(steps):
    return [step for step in steps if isinstance(step, PlaneCells)]


AUTO = SegmentSettings(percentiles=(0, 100))


def test_all_planes_of_an_image_have_the_median_diameter_of_five(fake):
    planes = stack_of(fake, 40, 10, 12, 14, 16, 18, 40, 40, 40, 40)  # the odd ones are measured: 10, 14, 18, 40, 40
    segmented = done(segment_planes(planes, fake.engine(), AUTO))
    assert [d.plane.index for d in segmented] == [(k,) for k in range(10)]
    assert {d.diameter for d in segmented} == {segmented[0].diameter}
    assert segmented[0].diameter == pytest.approx(36, rel=0.1)
    assert run_through(diameter_steps(planes, fake.engine(), AUTO)) == segmented[0].diameter


def test_some_planes_have_the_diameter_of_the_whole_image(fake):
    planes = stack_of(fake, 10, 20, 40)
    every = {d.plane.index: d for d in done(segment_planes(planes, fake.engine(), AUTO))}
    (some,) = done(segment_planes(planes, fake.engine(), AUTO, only={(2,)}))
    assert some.diameter == every[2,].diameter == pytest.approx(40, rel=0.1)
    assert some.cells.equals(every[2,].cells)


def test_other_planes_are_measured_in_place_of_blank_ones(fake):
    planes = stack_of(fake, 0, 0, 0, 0, 0, 0, 0, 0, 22, 0, 0, 0)
    segmented = done(segment_planes(planes, fake.engine(), AUTO))
    assert segmented[8].diameter == pytest.approx(44, rel=0.1)
    assert [len(d.cells) > 0 for d in segmented] == [k == 8 for k in range(12)]


@pytest.mark.parametrize("fault", ["constant", "NaN", "all NaN", "infinite"])
def test_a_plane_that_cannot_be_used_has_no_cells_and_says_why(fake, fault):
    planes = stack_of(fake, 20, 20, 20)
    pixels = {"constant": np.full_like(planes[1].pixels, 7), "all NaN": np.full_like(planes[1].pixels, np.nan)}
    bad = pixels.get(fault, planes[1].pixels.copy())
    if fault in ("NaN", "infinite"):
        bad[0, 3, 4] = {"NaN": np.nan, "infinite": np.inf}[fault]
    for number in range(3):
        several = [Plane((k,), bad if k == number else p.pixels) for k, p in enumerate(planes)]
        segmented = done(segment_planes(several, fake.engine(), AUTO))
        assert [bool(d.problem) for d in segmented] == [k == number for k in range(3)]
        assert [len(d.cells) > 0 for d in segmented] == [k != number for k in range(3)]
        assert segmented[number].cells.shape == planes[0].shape
        assert "contrast" in segmented[number].problem or "NaN" in segmented[number].problem


def test_where_no_plane_can_be_used_the_fault_is_raised_before_any_plane_is_done(fake):
    steps = segment_planes(stack_of(fake, 0, 0), fake.engine(), AUTO)
    with pytest.raises(BadImage, match="contrast"):
        assert not done(steps)


def test_a_fault_of_the_whole_image_is_raised_at_once(fake):
    planes = [Plane((k,), np.zeros((5, 64, 64))) for k in range(3)]
    with pytest.raises(BadImage, match="5"):
        list(segment_planes(planes, fake.engine(), AUTO))


def test_every_plane_is_opened_once_in_a_run(fake, monkeypatch):
    opened = []
    original = ModelInput.of.__func__

    def of(cls, image, *arguments):
        opened.append(id(image))
        return original(cls, image, *arguments)

    monkeypatch.setattr(ModelInput, "of", classmethod(of))
    planes = stack_of(fake, 0, 20, 20, 0, 20, 20, 20)
    list(segment_planes(planes, fake.engine(), AUTO))
    assert sorted(opened) == sorted(id(p.pixels) for p in planes)


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
