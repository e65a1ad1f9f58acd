"""Neighbours counted in small fields that one can see through, and by brute force."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.surroundings import SURROUNDINGS, surroundings


def field(*places, size=4, shape=(40, 40)):
    cells = Instances(shape)
    for place in places:
        cells.add(Instance.from_mask(np.ones((size, size), bool), place))
    return cells


@pytest.mark.parametrize(
    ("other", "neighbours", "overlap"),
    [((10, 14), 1, 0), ((14, 14), 1, 0), ((10, 15), 0, 0), ((10, 12), 1, 0.5), ((12, 12), 1, 0.25)],
    ids=["side by side", "corner to corner", "a gap of one pixel", "half shared", "a quarter shared"],
)
def test_cells_that_touch_or_overlap_are_neighbours(other, neighbours, overlap):
    cells = field((10, 10), other)
    found = surroundings(cells)
    assert [tuple(values) for values in found.values()] == [SURROUNDINGS] * 2
    for values in found.values():
        assert (values["neighbours"], values["overlap"]) == (neighbours, overlap)
        assert values["nearest_centre_px"] == pytest.approx(np.hypot(other[0] - 10, other[1] - 10))


def test_a_single_cell_has_no_nearest_one():
    (values,) = surroundings(field((3, 3))).values()
    assert (values["neighbours"], values["overlap"]) == (0, 0)
    assert np.isnan(values["nearest_centre_px"])
    assert surroundings(Instances((9, 9))) == {}


def test_a_crowd_is_counted_as_by_brute_force(cells):
    crowd = cells(n=30, overlap=0.4, shape=(160, 160), radius=12)
    found, whole = surroundings(crowd), {}
    for cell in crowd:
        whole[cell.id] = np.zeros((160, 160), bool)
        whole[cell.id][cell.y0 : cell.box[2], cell.x0 : cell.box[3]] = cell.mask
    for id, mask in whole.items():
        near = binary_dilation(mask, np.ones((3, 3)))
        others = [other for k, other in whole.items() if k != id]
        assert found[id]["neighbours"] == sum(bool((near & other).any()) for other in others)
        assert found[id]["overlap"] == pytest.approx((mask & np.any(others, axis=0)).sum() / mask.sum())
