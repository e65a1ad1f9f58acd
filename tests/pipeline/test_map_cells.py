"""U-Nets in the pipeline, by an engine whose image already holds the maps: foreground, border, distance."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import intersection
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline import Plane, estimate_diameter, map_classes, segment
from napari_centermask.pipeline.class_maps import class_image
from napari_centermask.pipeline.map_cells import tile_maps
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.pipeline.progress import run_through
from napari_centermask.pipeline.prompt import Prompter
from napari_centermask.settings import SegmentSettings, UNetSettings

SHAPE = (700, 900)


class MapEngine:
    """Takes the channels for the maps; what it sees may be disturbed tile by tile."""

    name, device = "fake", "cpu"

    def __init__(self, *, categories=("cell",), noise=0.0):
        form = UNetSettings(in_channels=2 + len(categories), categories=list(categories))
        self.card = ModelCard(
            name="fake", licence="CC0-1.0", model=form, diameter=30.0, percentiles=(0, 100), defaults={"smoothing": 0.5}
        )
        self.noise, self.tiles = noise, []

    def maps(self, tiles):
        assert tiles.dtype == np.float32
        assert tiles.flags.c_contiguous
        self.tiles.append(tiles)
        n = len(self.card.model.categories)
        background = 1 - tiles[:, :n].sum(axis=1, keepdims=True)
        rng = np.random.default_rng(len(self.tiles))
        blurred = ndimage.gaussian_filter(rng.normal(0, 1, tiles[:, n:].shape), (0, 0, 3, 3)) * self.noise
        return np.concatenate([background, tiles[:, :n], tiles[:, n:] + blurred], axis=1).astype(np.float32)


def draw(shape, *, radius=14, seed=0, categories=1):
    """(n + 2, H, W) maps of crowded cells, the labels, and each one's category."""
    rng = np.random.default_rng(seed)
    step = int(1.75 * radius)
    places = [(y, x) for y in range(radius, shape[0], step) for x in range(radius, shape[1], step)]
    labels, nearest = np.zeros(shape, np.int32), np.full(shape, np.inf)
    for k, (y, x) in enumerate(places, start=1):
        y0, x0 = max(0, y - 2 * radius), max(0, x - 2 * radius)
        part = np.s_[y0 : y + 2 * radius, x0 : x + 2 * radius]
        yy, xx = np.mgrid[part]
        yy, xx = yy[: shape[0] - y0, : shape[1] - x0], xx[: shape[0] - y0, : shape[1] - x0]
        reach = np.hypot(yy - y - rng.uniform(-2, 2), xx - x - rng.uniform(-2, 2)) / (radius * rng.uniform(0.8, 1))
        closer = (reach < 1) & (reach < nearest[part])
        labels[part][closer], nearest[part][closer] = k, reach[closer]
    distance = np.where(labels > 0, 1 - nearest.clip(0, 1), 0)
    kinds = np.concatenate([[-1], rng.integers(0, categories, len(places))])
    classes = [(kinds[labels] == c).astype(float) for c in range(categories)]
    return np.stack([*classes, find_boundaries(labels), distance]).astype(np.float32), labels, kinds


def options(**fields):
    return SegmentSettings(**({"diameter": 30} | fields))


def f1(truth, predicted, iou=0.7):
    matched = 0
    for cell in predicted:
        y0, x0, y1, x1 = cell.box
        ids, shared = np.unique(truth[y0:y1, x0:x1][cell.mask], return_counts=True)
        k = shared.argmax()
        matched += ids[k] > 0 and shared[k] >= iou * (cell.area + np.count_nonzero(truth == ids[k]) - shared[k])
    return 2 * matched / (len(predicted) + len(np.unique(truth)) - 1)


def none_overlap(instances):
    cells = list(instances)
    return not any(intersection(a, b) for k, a in enumerate(cells) for b in cells[:k])


def test_crowded_cells_come_back_whatever_the_tiles():
    image, labels, _ = draw(SHAPE)
    whole, tiled = (segment(image, MapEngine(), options(tile=tile)) for tile in (1024, 256))
    assert f1(labels, whole) > 0.98
    assert f1(labels, tiled) > 0.98
    assert abs(len(whole) - len(tiled)) <= 2
    assert none_overlap(whole)
    assert none_overlap(tiled)
    assert whole.ids == list(range(1, len(whole) + 1))
    assert {(c.source, c.mask_quality, c.probabilities) for c in whole} == {("fake", 1.0, ())}
    assert min(c.score for c in whole) > 0.9


def test_no_two_cells_overlap_where_tiles_disagree():
    image, _, _ = draw((400, 600))
    assert none_overlap(segment(image, MapEngine(noise=1.0), options(tile=256)))


@pytest.mark.parametrize("factor", [0.6, 2.3])
def test_cells_of_another_size_are_rescaled(factor):
    image, labels, _ = draw((300, 360), radius=round(14 * factor))
    instances = segment(image, MapEngine(), options(diameter=30 * factor, tile=256, min_area=4))
    assert f1(labels, instances) > 0.9
    assert none_overlap(instances)


def test_a_cell_has_the_category_that_most_of_it_speaks_for():
    image, labels, kinds = draw((300, 400), categories=3)
    instances = segment(image, MapEngine(categories=("a", "b", "c")), options())
    assert instances.categories == {1: "a", 2: "b", 3: "c"}
    right = 0
    for cell in instances:
        y0, x0, y1, x1 = cell.box
        votes = np.bincount(kinds[labels[y0:y1, x0:x1][cell.mask]].clip(0), minlength=3)
        np.testing.assert_allclose(cell.probabilities, votes / votes.sum(), atol=0.02)
        assert sum(cell.probabilities) == pytest.approx(1)
        right += votes.argmax() + 1 == cell.category
    assert right == len(instances)


def test_flips_are_four_looks_and_their_mean():
    image, _, _ = draw((96, 130))
    engine = MapEngine(noise=0.3)
    scaled = ModelInput.of(image, engine.card, options()).scaled(1.0)
    box = (0, 0, 96, 130)
    calm = tile_maps(MapEngine(), scaled, box, flips=False)
    once, often = (tile_maps(engine, scaled, box, flips=flips) for flips in (False, True))
    assert len(engine.tiles) == 5
    assert once.shape == often.shape == (4, 96, 130)
    assert np.std(often - calm) < 0.7 * np.std(once - calm)
    np.testing.assert_allclose(tile_maps(MapEngine(), scaled, box, flips=True), calm, atol=1e-6)
    assert len(segment(image, engine, options(flips=True))) > 0


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_the_diameter_is_estimated_by_the_cells_themselves(factor):
    image, labels, _ = draw((400, 440), radius=round(14 * factor))
    areas = np.bincount(labels.ravel())[1:]
    expected = 2 * np.sqrt(np.median(areas[areas > 0]) / np.pi)
    assert estimate_diameter(image, MapEngine()) == pytest.approx(expected, rel=0.15)


def test_the_cards_settings_of_the_watershed_hold_where_the_user_set_none():
    image, _, _ = draw((200, 200))
    engine = MapEngine()
    few = segment(image, engine, options(smoothing=12))
    assert len(few) < 0.5 * len(segment(image, engine, options()))


@pytest.mark.parametrize("value", [0, 255])
def test_constant_images_give_no_cells(value):
    assert len(segment(np.full((3, 64, 80), value, np.uint8), MapEngine(), options())) == 0


class EdgeEngine(MapEngine):
    """Sees less towards the edge of a tile, as networks do."""

    def maps(self, tiles):
        maps = super().maps(tiles)
        rim = np.ones(maps.shape[2:], bool)
        rim[1:-1, 1:-1] = False
        sure = 1 - 0.5 * np.exp(-ndimage.distance_transform_edt(~rim) / 8).astype(np.float32)
        maps[:, 1:-2] *= sure
        maps[:, 0] = 1 - maps[:, 1:-2].sum(axis=1)
        return maps


def class_maps(image, engine, settings=None):
    return run_through(map_classes(Plane((), image), engine, settings or SegmentSettings(), check=False))


def test_blended_tiles_leave_no_seam():
    image = np.zeros((3, 500, 620), np.float32)
    image[0] = ndimage.gaussian_filter(np.random.default_rng(0).normal(0.5, 4, image.shape[1:]), 8).clip(0, 1)
    whole, tiled = (class_maps(image, EdgeEngine(), options(tile=tile, overlap=64)) for tile in (1024, 192))
    plain = class_maps(image, MapEngine(), options(tile=192, overlap=64))
    inside = np.s_[:, 40:-40, 40:-40]
    np.testing.assert_allclose(plain, class_maps(image, MapEngine(), options(tile=1024)), atol=1e-5)
    assert np.abs(tiled - whole)[inside].max() < 0.05  # a tile alone is wrong by 0.5 at its edge
    steps = [np.abs(np.diff(maps[1], axis=0))[40:-40].max() for maps in (whole, tiled)]
    assert steps[1] < 1.2 * steps[0]
    np.testing.assert_allclose(tiled.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
def test_class_images_name_the_category_of_each_pixel(factor):
    image, labels, kinds = draw((300, 260), radius=round(14 * factor), categories=2)
    maps = class_maps(image, MapEngine(categories=("a", "b")), options(diameter=30 * factor, tile=128))
    assert maps.shape == (3, 300, 260)
    assert maps.dtype == np.float32
    right = class_image(maps) == kinds[labels] + 1
    assert right.mean() > 0.97
    assert class_image(maps).dtype == np.uint8


def test_a_model_that_finds_cells_one_by_one_has_no_class_maps(fake):
    with pytest.raises(BadSettings, match="U-Net"):
        class_maps(np.zeros((1, 64, 64)), fake.engine())


def iou(labels, k, cell):
    if cell is None:
        return 0.0
    whole = np.zeros(labels.shape, bool)
    y0, x0, y1, x1 = cell.box
    whole[y0:y1, x0:x1] = cell.mask
    return np.count_nonzero(whole & (labels == k)) / np.count_nonzero(whole | (labels == k))


@pytest.mark.parametrize("factor", [1.0, 1.7])
def test_boxes_and_clicks_give_the_cell(factor):
    image, labels, _kinds = draw((700, 640), radius=round(14 * factor), categories=2)
    engine = MapEngine(categories=("a", "b"))
    prompter = Prompter(engine, image, options(diameter=30 * factor))
    boxed, clicked = [], []
    for k, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        if min(rows.stop - rows.start, columns.stop - columns.start) < 10:
            continue
        drawn = prompter.box(rows.start, columns.start, rows.stop, columns.stop)
        boxed.append(iou(labels, k, drawn))
        y, x = np.argwhere(labels == k)[ndimage.distance_transform_edt(labels == k)[labels == k].argmax()]
        pointed = prompter.click(float(y), float(x))
        clicked.append(iou(labels, k, pointed))
        for cell in filter(None, (drawn, pointed)):
            assert (cell.id, cell.status, cell.score, cell.source) == (0, "accepted", 1.0, "fake")
            assert 0.5 < cell.mask_quality <= 1
    assert np.mean(boxed) > 0.85
    assert np.mean(clicked) > 0.9
    assert len(engine.tiles) < 0.1 * len(boxed)


def test_a_box_joins_what_the_watershed_parted_and_finds_what_is_weak():
    image = np.zeros((3, 200, 200), np.float32)
    image[0, 40:80, 40:120] = 1
    image[2, 50:70, 45:60] = image[2, 50:70, 100:115] = 0.8  # two seeds in one cell
    image[0, 150:170, 150:170] = 0.3  # below the threshold
    engine = MapEngine()
    assert len(segment(image, engine, options())) == 2
    prompter = Prompter(engine, image, options())
    (joined, weak), nothing = (
        (prompter.box(38, 38, 82, 122), prompter.box(149, 149, 172, 172)),
        prompter.box(5, 5, 30, 30),
    )
    assert joined.box == (40, 40, 80, 120)
    assert weak.box == prompter.click(160, 160).box == (150, 150, 170, 170)
    assert nothing is None
    assert prompter.click(10, 10) is None
    half = prompter.box(38, 38, 82, 60)
    assert half.box == (40, 40, 80, 60)


def test_what_is_drawn_is_as_sure_of_its_category_as_what_is_found():
    image = np.zeros((4, 120, 120), np.float32)
    image[0, 40:70, 40:70], image[1, 40:70, 40:70], image[3, 50:60, 50:60] = 0.8, 0.2, 0.8
    image[:, 110, 110] = 1  # so that intensities stay as they are
    engine = MapEngine(categories=("a", "b"))
    engine.card = engine.card.model_copy(update={"temperature": 3.0})
    (segmented,) = segment(image, engine, options())
    prompter = Prompter(engine, image, options())
    for cell in (prompter.box(40, 40, 70, 70), prompter.click(55, 55)):
        assert cell.probabilities == pytest.approx(segmented.probabilities)
    assert segmented.probabilities[0] == pytest.approx(0.61, abs=0.01)  # 0.8 and 0.2, each to the power of a third
