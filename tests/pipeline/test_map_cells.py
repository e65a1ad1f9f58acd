"""U-Nets in the pipeline, by an engine whose image already holds the maps: foreground, border, distance."""

import numpy as np
import pytest
from map_engine import SHAPE, MapEngine, draw, f1, none_overlap, options

from napari_centermask.pipeline import segment
from napari_centermask.pipeline.map_cells import tile_maps
from napari_centermask.pipeline.model_input import ModelInput


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


def test_the_cards_settings_of_the_watershed_hold_where_the_user_set_none():
    image, _, _ = draw((200, 200))
    engine = MapEngine()
    few = segment(image, engine, options(smoothing=12))
    assert len(few) < 0.5 * len(segment(image, engine, options()))


@pytest.mark.parametrize("value", [0, 255])
def test_constant_images_give_no_cells(value):
    assert len(segment(np.full((3, 64, 80), value, np.uint8), MapEngine(), options())) == 0
