"""Rows and boxes that follow edits are those made anew."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_centermask.core.cell_rows import CellRows
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result

BOXES = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 10), st.integers(1, 10))
EDITS = st.lists(st.tuples(st.integers(1, 12), st.none() | BOXES), max_size=40)


def cell(id, box):
    y, x, h, w = box
    return Instance(id, y, x, np.ones((h, w), bool), score=id / 16)


@given(EDITS, EDITS, BOXES)
def test_cells_that_meet_a_box_are_found_after_any_edits(before, after, box):
    cells = Instances((40, 40))
    for edits in (before, after):  # what is found is looked up again after the first ones
        for id, at in edits:
            cells.set(id, at and cell(id, at))
        y0, x0, y1, x1 = box[0], box[1], box[0] + box[2], box[1] + box[3]
        wanted = [c.id for c in cells if c.y0 < y1 and c.box[2] > y0 and c.x0 < x1 and c.box[3] > x0]
        assert [c.id for c in cells.meeting((y0, x0, y1, x1))] == wanted


@given(EDITS, EDITS, st.booleans())
def test_rows_follow_edits(before, after, stack):
    index = (1,) if stack else ()
    result = Result((40, 40), leading=(2,) if stack else ())
    for id, at in before:
        result.set(index, id, at and cell(id, at))
    rows = CellRows(result)
    former = dict(rows.columns)
    copies = {name: values.copy() for name, values in former.items()}
    for id, at in after:
        result.set(index, id, at and cell(id, at))
    rows.update({id: index for id, _ in after})
    wanted = result.table()
    assert list(rows.columns) == list(wanted)
    shown = sorted(zip(*(v.tolist() for v in rows.columns.values()), strict=True))
    assert shown == sorted(zip(*wanted.values(), strict=True))
    assert all(np.array_equal(former[name], copies[name]) for name in former)
