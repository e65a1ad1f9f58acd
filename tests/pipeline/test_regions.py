"""Cells of regions: those that the whole image has there, once, and without a look at the rest."""

import numpy as np
import pytest

from napari_centermask.io.reviewed import centred_within
from napari_centermask.pipeline import segment, segment_within
from napari_centermask.settings import SegmentSettings

SHAPE = (1500, 1600)
SETTINGS = SegmentSettings(diameter=40, percentiles=(0, 100))
APART = [(100, 100, 400, 500), (1100, 1000, 1400, 1600)]


def masks(cells):
    return {cell.box: cell.mask.tobytes() for cell in cells}


@pytest.mark.parametrize(
    "regions", [APART, [(100, 100, 400, 500), (400, 100, 700, 500)], [(0, 0, *SHAPE)], [(200, 0, 260, 1600)]]
)
def test_the_cells_of_regions_are_those_of_the_whole_image(fake, regions):
    image = fake.draw(SHAPE, fake.place(SHAPE, 900))
    expected = centred_within(segment(image, fake.engine(), SETTINGS), regions)
    found = segment_within(image, fake.engine(), SETTINGS, regions)
    assert len(expected) > 20
    assert masks(found) == masks(expected)
    assert found.shape == SHAPE
    assert len({cell.id for cell in found}) == len(found)


def test_the_rest_of_the_image_is_not_looked_at(fake):
    image = fake.draw(SHAPE, fake.place(SHAPE, 900))
    seen = fake.engine()
    segment_within(image, seen, SETTINGS, APART)
    area = (300 + 240) * (400 + 220) + (300 + 220) * (600 + 120)
    assert sum(int(np.prod(t)) for t in seen.tiles) < 1.35 * area  # tiles overlap


def test_none_is_the_whole_image_and_no_region_has_no_cells(fake):
    image = fake.draw(SHAPE, fake.place(SHAPE, 900))
    assert masks(segment_within(image, fake.engine(), SETTINGS, None)) == masks(segment(image, fake.engine(), SETTINGS))
    assert len(segment_within(image, fake.engine(), SETTINGS, [])) == 0


def test_regions_need_a_diameter(fake):
    with pytest.raises(ValueError, match="diameter"):
        segment_within(np.zeros((1, 64, 64)), fake.engine(), SegmentSettings(), APART)
