"""Edits and values of which journals are made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance
from napari_centermask.io.edits import MANY

SHAPE = (40, 50)


def many_changes(n=3 * MANY):
    """Changes of different cells on two planes; every fifth deletes one."""
    rng = np.random.default_rng(3)
    for k in range(1, n + 1):
        mask = rng.random((int(rng.integers(1, 9)), int(rng.integers(1, 9)))) < 0.6
        mask[0], mask[-1], mask[:, 0], mask[:, -1] = True, True, True, True
        probabilities = () if k % 3 else (np.float32(0.25), 0.75)
        cell = Instance(np.int64(k), k % 30, np.int32(k % 40), mask, k % 4 + 1, float(rng.random()), 0.5, order=k / 7)
        cell = replace(cell, source=f"a “name” {k % 2}", status="corrected", probabilities=probabilities)
        cell = replace(cell, track=np.int64(k % 7), parent=k % 2)
        yield Change((k % 2,), k, None, None if k % 5 == 0 else cell)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)
