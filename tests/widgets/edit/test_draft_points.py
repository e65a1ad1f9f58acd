"""Points belong to a shape of a cell: an undo takes the last one back."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.instances import Instance
from napari_centermask.widgets.edit.draft_points import NONE, DraftPoints, Points


def cell(y=10, x=10):
    return Instance(1, y, x, np.ones((20, 20), bool))


def test_a_shape_has_its_points_and_any_other_has_none():
    points, first, second = DraftPoints(), cell(), cell(11)
    points.note(first, NONE.and_point((5, 5), adds=True))
    points.note(second, points.of(first).and_point((6, 6), adds=False))
    assert points.of(second) == Points(((5, 5),), ((6, 6),))
    assert points.of(first) == Points(((5, 5),))
    assert points.of(cell()) == points.of(None) == NONE


def test_a_point_overrules_an_earlier_one_at_its_place():
    assert NONE.and_point((5, 5), adds=True).and_point((5, 5), adds=False) == Points((), ((5, 5),))


def test_points_stay_if_a_box_is_drawn_around_the_cell_again():
    points, drawn = DraftPoints(), cell()
    points.note(drawn, Points(((12, 12),), ((25, 25),)))
    assert points.kept_in(drawn, (8, 8, 32, 32)) == points.of(drawn)
    assert points.kept_in(drawn, (60, 60, 80, 80)) == NONE
    assert points.kept_in(drawn, (14, 14, 30, 30)) == NONE  # a point that belongs to the cell lies outside
