"""Many cells are packed into a few arrays and come back to the bit."""

from __future__ import annotations

import json

import pytest
from edited import SHAPE, many_changes

from napari_centermask.core.history import Edit
from napari_centermask.core.result import Result
from napari_centermask.io import packed_cells
from napari_centermask.io.edits import cell_record, record_of, state_of


@pytest.mark.parametrize(("cells", "bits"), [(1 << 16, 1 << 28), (7, 1 << 28), (1 << 16, 300), (1 << 16, 1)])
def test_many_cells_come_back_to_the_bit_in_parts_of_any_size(monkeypatch, cells, bits):
    monkeypatch.setattr(packed_cells, "MOST_CELLS", cells)
    monkeypatch.setattr(packed_cells, "MOST_BITS", bits)
    changes = tuple(many_changes())
    record = json.loads(json.dumps(record_of(Edit("run", changes))))
    monkeypatch.setattr(packed_cells, "MOST_BITS", 1 << 28)
    unpacked = state_of(record, Result(SHAPE, leading=(2,))).cells
    assert [(plane, id) for plane, id, _ in unpacked] == [(c.plane, c.id) for c in changes]
    for (_, _, cell), change in zip(unpacked, changes, strict=True):
        assert (cell is None) if change.after is None else cell.equals(change.after)
    alone = {"cells": [[list(p), i, None if c is None else cell_record(c)] for p, i, c in unpacked]}
    again = state_of(json.loads(json.dumps(alone)), Result(SHAPE, leading=(2,))).cells  # journals of before
    assert all(a == b or a[2].equals(b[2]) for a, b in zip(unpacked, again, strict=True))
