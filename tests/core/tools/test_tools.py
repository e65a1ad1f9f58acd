"""Every tool on hand-drawn cells, and random sequences of all of them: undone, redone and shown to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import SHAPE, blob, full

from napari_centermask.core import tools
from napari_centermask.core.compose import Views
from napari_centermask.core.history import History
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result


def random_pairs(rng: np.random.Generator, cells: Instances, other: Instances):
    """A random tool on random cells."""
    if len(cells) == 0 or (len(cells) < 30 and rng.random() < 0.2):
        return tools.new_cell(cells, blob(rng), mode=str(rng.choice(tools.region.MODES)))
    ids = [int(i) for i in rng.choice(cells.ids, rng.integers(1, min(4, len(cells)) + 1), replace=False)]
    points = rng.uniform((-5, -5), np.array(SHAPE) + 5, (6, 2))
    cell = cells[ids[0]]
    near = np.array(cell.box[:2]) + rng.uniform(-2, 2 + max(cell.mask.shape), (5, 2))
    choices = [
        lambda: tools.commit(cells, ids[0], blob(rng), mode=str(rng.choice(tools.region.MODES))),
        lambda: tools.commit(cells, ids[0], full(cell, SHAPE) ^ (rng.random(SHAPE) < 0.01), mode="take over"),
        lambda: tools.delete(cells, ids[:1]),
        lambda: tools.split_line(cells, ids[0], points[: rng.integers(2, 6)]),
        lambda: tools.split_line(cells, ids[0], near),
        lambda: tools.split_seeds(cells, ids[0], near),
        lambda: tools.split_auto(cells, ids[0]),
        lambda: tools.merge(cells, ids),
        lambda: tools.fill_holes(cells, ids),
        lambda: tools.remove_debris(cells, ids, int(rng.integers(1, 30))),
        lambda: tools.smooth(cells, ids, float(rng.integers(1, 3))),
        lambda: tools.grow(cells, ids, int(rng.integers(1, 4))),
        lambda: tools.shrink(cells, ids, int(rng.integers(1, 4))),
        lambda: tools.raise_cells(cells, ids),
        lambda: tools.lower_cells(cells, ids),
        lambda: tools.make_exclusive(cells, ids, win=bool(rng.integers(2))),
        lambda: tools.copy_to(cells, list(other)[:2]),
        lambda: tools.set_category(cells, ids, int(rng.integers(1, 4))),
        lambda: tools.set_status(cells, ids, str(rng.choice(["accepted", "rejected", "predicted"]))),
    ]
    return choices[rng.integers(len(choices))]()


def state(result: Result) -> dict:
    return {(index, i.id): i for index, cells in result.planes.items() for i in cells}


def assert_same(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    assert all(a[k].equals(b[k]) for k in a)


def assert_views_are_composed(views: Views, cells: Instances) -> None:
    fresh = Views(cells)
    np.testing.assert_array_equal(views.ids[views.top], fresh.ids[fresh.top])
    np.testing.assert_array_equal(views.count, fresh.count)
    np.testing.assert_array_equal(views.outlines, fresh.outlines)


@pytest.mark.parametrize("seed", range(8))
def test_random_tools_undo_redo_and_incremental_views_agree_to_the_bit(seed):
    rng = np.random.default_rng(seed)
    result = Result(SHAPE, leading=(2,))
    for index in ((0,), (1,)):
        result.put(index, Instances(SHAPE, [Instance.from_mask(blob(rng), score=rng.random()) for _ in range(8)]))
    views = {index: Views(result.plane(index)) for index in result.planes}
    history = History(result)
    history.listen(lambda edit: views[edit.changes[0].plane].update(ids=[c.id for c in edit.changes]))
    start, names = state(result), 0
    for n in range(120):
        index = (int(rng.integers(2)),)
        cells = result.plane(index)
        frozen = {i.id: (i, i.mask.copy()) for i in cells}
        pairs = random_pairs(rng, cells, result.plane((1 - index[0],)))
        assert all(cells[k] is i and np.array_equal(i.mask, m) for k, (i, m) in frozen.items())  # tools only look
        names += history.do(f"edit {n}", tools.to_changes(pairs, index, result)) is not None
        if n % 20 == 0:
            assert_views_are_composed(views[index], cells)
    assert names > 60
    end = state(result)
    while history.undo():
        pass
    assert_same(state(result), start)
    for index, view in views.items():
        assert_views_are_composed(view, result.plane(index))
    while history.redo():
        pass
    assert_same(state(result), end)
    for index, view in views.items():
        assert_views_are_composed(view, result.plane(index))
