"""Cells change their category, status and order, and no pixel."""

from __future__ import annotations

import pytest
from drawn import plane, square

from napari_centermask.core import tools
from napari_centermask.core.instances import Instances


def test_raising_and_lowering_keeps_the_others_and_the_order_among_the_moved():
    cells = plane(*(square(2, k, 6, k + 3) for k in range(5)))

    def order(pairs):
        moved = Instances(cells.shape, cells)
        for before, after in pairs:
            moved.set(before.id, after)
        return [i.id for i in sorted(moved, key=lambda i: i.order)]

    assert order(tools.raise_cells(cells, [3, 1])) == [2, 4, 5, 1, 3]
    assert order(tools.lower_cells(cells, [3, 5])) == [3, 5, 1, 2, 4]
    assert tools.raise_cells(cells, [5, 4]) == tools.lower_cells(cells, [1]) == tools.raise_cells(cells, []) == []
    assert {a.status for _, a in tools.raise_cells(cells, [1])} == {"predicted"}


def test_category_and_status():
    cells = plane(square(2, 2, 10, 10), square(15, 15, 20, 20))
    ((_, after),) = tools.set_category(cells, [1], 4)
    assert (after.category, after.status) == (4, "corrected")
    ((_, after),) = tools.set_status(cells, [2], "accepted")
    assert (after.status, after.mask is cells[2].mask) == ("accepted", True)
    assert tools.set_category(cells, [1], 1) == tools.set_status(cells, [1], "predicted") == []
    with pytest.raises(ValueError, match="rejected"):
        tools.set_status(cells, [1], "good")
    with pytest.raises(KeyError):
        tools.delete(cells, [99])
    assert tools.delete(cells, [2]) == [(cells[2], None)]
