"""Cells before and after become changes of a result, with new ids and cut to the image."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import full, plane, square

from napari_centermask.core import tools
from napari_centermask.core.history import History
from napari_centermask.core.instances import Instances
from napari_centermask.core.result import Result


@pytest.mark.parametrize("window", [(0, 0, 20, 20), (1, 2, 9, 12), (-3, -2, 30, 30)])
def test_painting_in_any_window_is_cut_at_the_border(window):
    cells = plane(square(2, 2, 6, 6))
    y0, x0, y1, x1 = window
    big = np.zeros((50, 50), bool)
    big[10 + 2 : 10 + 8, 10 + 2 : 10 + 10] = True
    if y0 < 0:
        big[7:12, 9:20] = True
    mask = big[10 + y0 : 10 + y1, 10 + x0 : 10 + x1]
    ((_, after),) = tools.commit(cells, 1, mask, (y0, x0))
    np.testing.assert_array_equal(full(after), big[10:30, 10:30])
    ((_, new),) = tools.new_cell(cells, mask, (y0, x0))
    np.testing.assert_array_equal(full(new), big[10:30, 10:30])


def test_whole_wide_images_are_cropped_as_small_ones():
    mask = square(3, 250, 9, 320, (300, 400))
    ((_, new),) = tools.new_cell(Instances((300, 400)), mask)
    assert new.box == (3, 250, 9, 320)
    assert new.mask.all()


def test_new_ids_come_from_the_result():
    result = Result((20, 20), leading=(2,))
    result.put((0,), plane(square(2, 2, 8, 8)))
    result.put((1,), plane(square(2, 2, 8, 8)))
    history = History(result)
    history.do("split", tools.to_changes(tools.split_line(result.plane((0,)), 1, [(0, 4), (19, 4)]), (0,), result))
    assert result.plane((0,)).ids == [1, 3]
    assert result.new_id() == 4
