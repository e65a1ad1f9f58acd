"""Masks are the same if only rounding tells them apart."""

import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.deploy.real_images import same_cells


def disc(radius, missing=0):
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    mask = rows**2 + columns**2 <= radius**2
    mask.ravel()[np.flatnonzero(mask)[1 : 1 + missing]] = False
    return Instance.from_mask(mask, (5, 9), id=1)


@pytest.mark.parametrize(
    ("radius", "missing", "same"), [(4, 0, True), (4, 2, True), (4, 3, False), (60, 8, True), (60, 20, False)]
)
def test_a_few_pixels_of_a_small_cell_and_a_thousandth_of_a_large_one_may_differ(radius, missing, same):
    rows, columns, iou = same_cells([disc(radius)], [disc(radius, missing)])
    assert (list(rows), list(columns)) == (([0], [0]) if same else ([], []))
    assert (iou == 1).all() == (not missing or not same)


def test_without_cells_nothing_is_paired():
    assert [len(part) for part in same_cells([], [disc(4)])] == [0, 0, 0]
