"""A record gives a valid state or one kind of error."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest
from edited import SHAPE, json_values, many_changes
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.io.edits import BadRecord, cell_record, state_of
from napari_centermask.io.packed_cells import pack


@st.composite
def broken_records(draw):
    """A good record in which one value anywhere is something else."""
    cell = Instance(0, 3, 4, np.ones((5, 6), bool), track=2, parent=1)
    record = {
        "n": 1,
        "image": 1,
        "cells": [[[1], 7, cell_record(cell)], [[0], 8, None]],
        "regions": [[[0], [[0, 0, 5, 5]]]],
    }
    record = json.loads(json.dumps(record))
    places = [(record, key) for key in ("cells", "regions")]
    places += [(record["cells"], 0), (record["cells"][0], 0), (record["cells"][0], 1), (record["cells"][0], 2)]
    places += [(record["cells"][0][2], key) for key in record["cells"][0][2]]
    places += [(record["cells"][0][2]["at"], k) for k in range(4)]
    places += [(record["regions"][0], k) for k in range(2)] + [(record["regions"][0][1][0], k) for k in range(4)]
    holder, key = draw(st.sampled_from(places))
    holder[key] = draw(json_values | st.sampled_from([2**63, -1, 10**30, float("nan"), float("inf"), "x" * 200_000]))
    return record


@st.composite
def broken_packs(draw):
    """Packed cells of which a value or some bytes are others."""
    (part,) = json.loads(json.dumps(pack(tuple(many_changes(9)))))
    if draw(st.booleans()):
        holder, key = draw(st.sampled_from([(part, key) for key in part] + [(part["planes"], 0), (part["texts"], 1)]))
        holder[key] = draw(json_values | st.sampled_from([2**63, -1, 0, 8, 10, 1 << 16]))
    else:
        data = bytearray(zlib.decompress(base64.b64decode(part["data"])))
        for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=4)):
            data[at] = draw(st.integers(0, 255))
        part["data"] = base64.b64encode(zlib.compress(bytes(data[: draw(st.integers(1, len(data)))]))).decode()
    return {"packed": [part]}


@settings(max_examples=400, deadline=None)
@given(json_values | broken_records() | broken_packs())
def test_hostile_records_give_a_valid_state_or_one_kind_of_error(record):
    result = Result(SHAPE, leading=(2,))
    try:
        state = state_of(record, result)
    except BadRecord:
        return
    state.apply(result)
    for plane in result.planes.values():
        Instances(SHAPE, plane)  # checks each cell
    assert all(type(b) is tuple and len(b) == 4 for boxes in result.reviewed_planes.values() for b in boxes)


def test_masks_that_claim_to_be_huge_are_refused_before_memory_is_taken():
    result = Result((1_000_000, 1_000_000))
    bomb = base64.b64encode(zlib.compress(bytes(10_000_000), 9)).decode()
    record = cell_record(Instance(0, 0, 0, np.ones((5, 6), bool)))
    for at, mask in (
        ([0, 0, 1_000_000, 1_000_000], bomb),
        ([0, 0, 4, 4], bomb),
        ([0, 0, 16_000, 16_000], record["mask"]),
    ):
        with pytest.raises(BadRecord, match="mask"):
            state_of({"cells": [[[], 1, {**record, "at": at, "mask": mask}]]}, result)
