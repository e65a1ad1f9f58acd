import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.io import rings, rings_many


def some_cells(rng):
    """Noise of any density, discs and rings of cells."""
    cells = []
    y, x = np.mgrid[:15, :15] - 7
    for k in range(rng.integers(1, 20)):
        mask = rng.random(rng.integers(1, 15, 2)) < rng.choice([0.2, 0.5, 0.8, 0.97, 1])
        if k % 3 == 0:
            mask = (np.hypot(y, x) < rng.uniform(2, 8)) & (np.hypot(y, x) > rng.choice([-1, 1.5]))
        mask[0, 0] |= not mask.any()
        cells.append(Instance.from_mask(mask, tuple(rng.integers(0, 50, 2)), id=k + 1))
    return cells


@pytest.mark.parametrize("seed", range(40))
def test_many_outlines_are_those_of_each_cell(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(rings_many, "_PART", int(rng.choice([300, 1 << 20])))
    cells = some_cells(rng)
    outlines = list(rings_many.trace_all(cells))
    for cell, found in zip(cells, outlines, strict=True):
        expected = rings.trace(cell.mask, (cell.y0, cell.x0))
        assert [len(p) for p in found] == [len(p) for p in expected]
        assert all(
            np.array_equal(a, b) for p, q in zip(found, expected, strict=True) for a, b in zip(p, q, strict=True)
        )
