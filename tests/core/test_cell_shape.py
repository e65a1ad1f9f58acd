"""Shapes against scikit-image."""

import numpy as np
import pytest
from skimage.draw import ellipse
from skimage.measure import regionprops

from napari_centermask.core.cell_shape import SHAPE, feret_max, shape_of
from napari_centermask.core.instances import Instance


def masks():
    """Ellipses of all directions, an L, a bar of one pixel's width, and a single pixel."""
    rng = np.random.default_rng(0)
    for _ in range(12):
        mask = np.zeros((70, 80), bool)
        mask[ellipse(35, 40, *rng.uniform(4, 26, 2), rotation=rng.uniform(-3, 3))] = True
        yield mask
    corner = np.zeros((70, 80), bool)
    corner[3:20, 5:9] = corner[3:6, 5:30] = True
    yield corner
    bar = np.zeros((70, 80), bool)
    bar[10, 4:30] = True
    yield bar
    dot = np.zeros((70, 80), bool)
    dot[4, 5] = True
    yield dot


@pytest.mark.parametrize("mask", list(masks()))
def test_a_shape_is_that_of_scikit_image(mask):
    (props,) = regionprops(mask.astype(np.uint8))
    got = shape_of(Instance.from_mask(mask, (0, 0)))
    assert tuple(got) == SHAPE
    assert got["area_px"] == props.area
    assert (got["centre_y"], got["centre_x"]) == pytest.approx(props.centroid)
    assert got["major_axis_px"] == pytest.approx(props.axis_major_length)
    assert got["minor_axis_px"] == pytest.approx(props.axis_minor_length, abs=1e-6)
    assert got["eccentricity"] == pytest.approx(props.eccentricity, abs=1e-6)
    assert got["perimeter_px"] == pytest.approx(props.perimeter)
    assert got["extent"] == pytest.approx(props.extent)
    if props.area > 1:
        assert got["orientation_deg"] == pytest.approx(np.degrees(props.orientation), abs=1e-6)
        assert -0.01 < props.feret_diameter_max - got["feret_max_px"] < 1  # its hull has some pixels more


def test_round_cells_are_round_and_long_ones_are_not():
    mask = np.zeros((70, 70), bool)
    mask[ellipse(35, 35, 25, 25)] = True
    assert shape_of(Instance.from_mask(mask, (0, 0)))["circularity"] > 0.9
    assert shape_of(Instance.from_mask(np.ones((4, 60), bool), (0, 0)))["circularity"] < 0.3
    assert np.isnan(shape_of(Instance.from_mask(np.ones((1, 1), bool), (0, 0)))["circularity"])


@pytest.mark.parametrize("shape", [(3, 4), (300, 400)])
def test_the_largest_distance_of_a_rectangle_is_nearly_its_diagonal(shape):
    assert feret_max(np.ones(shape, bool)) == pytest.approx(np.hypot(*shape), abs=1)
