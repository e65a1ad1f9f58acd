"""Several models or sizes look at an image: `more_models` and `scales`."""

from types import SimpleNamespace

import numpy as np
import pytest
from map_engine import MapEngine

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.engines.ensemble import Ensemble
from napari_centermask.engines.load import load_engines
from napari_centermask.pipeline import Plane, score_of, segment, segment_planes
from napari_centermask.settings import SegmentSettings

SETTINGS = SegmentSettings(percentiles=(0, 100), diameter=40.0)
DISKS = [(60, 60, 20), (60, 160, 20), (160, 60, 20), (160, 170, 20)]
SHAPE = (240, 260)


@pytest.fixture
def image(fake):
    return fake.draw(SHAPE, DISKS)


def blind(fake, card=None, *, left):
    """An engine that sees nothing in the left part of the image."""

    class Blind(fake.engine):
        def features(self, tiles):
            tiles = tiles.copy()
            tiles[..., : int(left * tiles.shape[3])] = 0
            return super().features(tiles)

    return Blind(card)


def test_each_scale_is_one_more_look_and_cells_are_found_once(fake, image):
    engine = fake.engine()
    cells = segment(image, engine, SETTINGS.model_copy(update={"scales": [0.8, 1.0, 1.5]}))
    assert len(cells) == len(DISKS)
    assert [c.id for c in cells] == [1, 2, 3, 4]
    assert len(engine.tiles) == 3
    assert len({tuple(shape) for shape in engine.tiles}) == 3
    for cell in cells:
        assert cell.diameter == pytest.approx(40, rel=0.05)


def test_a_single_scale_changes_the_size_that_the_network_sees(fake, image):
    usual, larger = fake.engine(), fake.engine()
    segment(image, usual, SETTINGS)
    segment(image, larger, SETTINGS.model_copy(update={"scales": [1.5]}))
    assert larger.tiles[0][0] > 1.3 * usual.tiles[0][0]


def test_cells_of_one_of_two_models_count_half(fake, image):
    both = Ensemble((fake.engine(), blind(fake, left=0.5)))
    own = SETTINGS.model_copy(update={"more_models": ["other"]})
    low = segment(image, both, own, min_score=0.2)
    assert len(low) == 4
    left, right = ([c.score for c in low if (c.x0 > 110) == side] for side in (False, True))
    assert max(left) < 0.5 < min(right)
    assert len(segment(image, both, own.model_copy(update={"score": 0.55}))) == 2


def test_models_of_two_families_segment_together(fake, image):
    both = Ensemble((fake.engine(), MapEngine()))
    assert len(segment(image, both, SETTINGS.model_copy(update={"more_models": ["unet"]}))) == 4


def test_the_lowest_score_is_the_mean_of_the_models_or_the_users(fake):
    cards = [fake.card(defaults={"score": score}) for score in (0.6, 0.4)]
    both = Ensemble(tuple(fake.engine(card) for card in cards))
    assert score_of(SegmentSettings(more_models=["b"]), both) == pytest.approx(0.5)
    assert score_of(SegmentSettings(more_models=["b"], score=0.7), both) == 0.7


@pytest.mark.parametrize("names", [["living", "dead"], ["cell", "nucleus"]])
def test_models_with_other_categories_are_refused(fake, names):
    other = fake.card(name="other", model=SimpleNamespace(in_channels=1, categories=names))
    with pytest.raises(BadSettings, match=f"'fake' finds cell and 'other' {', '.join(names)}"):
        Ensemble((fake.engine(), fake.engine(other)))


def test_models_with_the_same_categories_in_another_order_are_refused(fake):
    cards = [fake.card(model=SimpleNamespace(in_channels=1, categories=names)) for names in (["a", "b"], ["b", "a"])]
    with pytest.raises(BadSettings, match="the same categories in the same order"):
        Ensemble(tuple(fake.engine(card) for card in cards))


def test_of_models_with_one_category_each_the_name_of_the_first_counts(fake, image):
    other = fake.card(name="other", model=SimpleNamespace(in_channels=1, categories=["nucleus"]))
    for first, second, name in ((fake.card(), other, "cell"), (other, fake.card(), "nucleus")):
        both = Ensemble((fake.engine(first), fake.engine(second)))
        cells = segment(image, both, SETTINGS.model_copy(update={"more_models": ["other"]}))
        assert len(cells) == 4
        assert {cells.categories[cell.category] for cell in cells} == {name}


def test_class_maps_come_from_one_look(fake, image):
    for changes in ({"scales": [1.0, 2.0]},):
        with pytest.raises(BadSettings, match="Class maps are made from one look"):
            list(segment_planes([Plane((), image)], fake.engine(), SETTINGS.model_copy(update=changes), classes=True))


def test_one_engine_is_no_ensemble(fake, image):
    with pytest.raises(BadSettings, match="segment and evaluate"):
        segment(image, fake.engine(), SETTINGS.model_copy(update={"more_models": ["other"]}))


def test_a_model_is_named_once():
    with pytest.raises(BadSettings, match="'nuclei' twice"):
        load_engines(SegmentSettings(more_models=["nuclei"]), say=print)


def test_two_planes_and_a_region(fake, image):
    planes = [Plane((0,), image), Plane((1,), image, region=[np.array([(0, 0), (0, 120), (120, 120), (120, 0)])])]
    both = Ensemble((fake.engine(), fake.engine()))
    steps = segment_planes(planes, both, SETTINGS.model_copy(update={"more_models": ["b"], "scales": [1.0, 1.2]}))
    done = [step.cells for step in steps if hasattr(step, "cells")]
    assert [len(cells) for cells in done] == [4, 1]


@pytest.mark.parametrize("scales", [[], [0.1], [1, 1], [5]])
def test_scales_that_make_no_sense_are_refused(scales):
    with pytest.raises(ValueError, match="scales"):
        SegmentSettings(scales=scales)


def test_the_model_that_an_image_does_not_fit_is_named(fake, image):
    both = Ensemble((fake.engine(), fake.engine(fake.card(channels=2, name="pairs"))))
    three = np.repeat(image, 2, axis=0)[:2]
    with pytest.raises(BadImage, match="^fake: This model needs 1 channel"):
        segment(three, both, SETTINGS.model_copy(update={"more_models": ["pairs"]}))
