"""What a set of cells tells of itself."""

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances


def test_the_diameter_is_that_of_whole_cells_unless_these_are_few():
    def square(side, y, x):
        return Instance.from_mask(np.ones((side, side), bool), (y, x))

    whole = [square(10, 20, 20 * k) for k in (1, 2, 3)]
    cut = [square(4, 0, 10 * k) for k in range(6)]
    expected = whole[0].diameter
    assert Instances((100, 100), [*whole, *cut]).diameter == pytest.approx(expected)
    assert Instances((100, 100), [*whole[:2], *cut]).diameter == pytest.approx(cut[0].diameter)
    assert Instances((100, 100)).diameter is None
