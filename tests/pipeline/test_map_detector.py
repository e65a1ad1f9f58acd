"""A U-Net finds the cells of tiles and their sizes."""

import numpy as np
import pytest
from map_engine import MapEngine, draw, none_overlap, options

from napari_centermask.pipeline import estimate_diameter, segment


def test_no_two_cells_overlap_where_tiles_disagree():
    image, _, _ = draw((400, 600))
    assert none_overlap(segment(image, MapEngine(noise=1.0), options(tile=256)))


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_the_diameter_is_estimated_by_the_cells_themselves(factor):
    image, labels, _ = draw((400, 440), radius=round(14 * factor))
    areas = np.bincount(labels.ravel())[1:]
    expected = 2 * np.sqrt(np.median(areas[areas > 0]) / np.pi)
    assert estimate_diameter(image, MapEngine()) == pytest.approx(expected, rel=0.15)
