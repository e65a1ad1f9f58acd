from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.history import Change, History, RegionChange
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result


def snapshot(result: Result) -> dict:
    return {index: {i.id: i for i in plane} for index, plane in result.planes.items() if len(plane)}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(
        a[p].keys() == b[p].keys() and all(a[p][k].equals(b[p][k]) for k in a[p]) for p in a
    )


def random_changes(rng: np.random.Generator, result: Result) -> list[Change]:
    plane = (int(rng.integers(2)),)
    changes, used = [], set()
    for _ in range(rng.integers(1, 4)):
        ids = [i for i in result.plane(plane).ids if i not in used]
        kind = rng.integers(3)
        mask = rng.random((5, 6)) < 0.6
        mask[2, 3] = True
        if kind == 0 or not ids:
            new = Instance.from_mask(mask, tuple(rng.integers(0, 30, 2)), id=result.new_id())
            changes.append(Change(plane, new.id, None, new))
            continue
        id = int(rng.choice(ids))
        used.add(id)
        before = result.get(plane, id)
        after = None if kind == 1 else replace(before, category=2, mask=np.ones_like(before.mask))
        changes.append(Change(plane, id, before, after))
    return changes


def test_undoing_all_restores_the_start_and_redoing_all_the_end():
    rng = np.random.default_rng(0)
    result = Result((40, 40), leading=(2,))
    result.put((0,), Instances((40, 40), [Instance(0, 3, 3, np.ones((4, 4), bool))]))
    history = History(result)
    states = [snapshot(result)]
    for n in range(200):
        if history.do(f"edit {n}", random_changes(rng, result)):
            states.append(snapshot(result))
    for state in reversed(states[:-1]):
        history.undo()
        assert same(snapshot(result), state)
    assert history.undo() is None
    assert history.undo_name is None
    for state in states[1:]:
        history.redo()
        assert same(snapshot(result), state)
    assert history.redo() is None


def test_names_and_listeners_follow_edits_and_undos():
    result = Result((20, 20))
    history, heard = History(result), []
    history.listen(heard.append)
    cell = Instance(result.new_id(), 2, 2, np.ones((3, 3), bool))
    history.do("new cell 1", [Change((), 1, None, cell)])
    assert history.undo_name == "new cell 1"
    history.undo()
    assert history.redo_name == "new cell 1"
    assert [(e.changes[0].before, e.changes[0].after) for e in heard] == [(None, cell), (cell, None)]
    history.redo()
    assert result.get((), 1) is cell


def test_a_new_edit_forgets_what_was_undone_and_nothing_is_not_an_edit():
    result = Result((20, 20))
    history = History(result)
    cell = Instance(1, 2, 2, np.ones((3, 3), bool))
    history.do("new cell 1", [Change((), 1, None, cell)])
    assert history.do("nothing", [Change((), 1, cell, cell)]) is None
    assert history.undo_name == "new cell 1"
    history.undo()
    history.do("new cell 1 again", [Change((), 1, None, cell)])
    assert history.redo() is None


def test_an_edit_that_does_not_fit_changes_nothing():
    result = Result((20, 20))
    history = History(result)
    cell = Instance(1, 2, 2, np.ones((3, 3), bool))
    outside = Instance(2, 19, 19, np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="leaves the image"):
        history.do("two cells", [Change((), 1, None, cell), Change((), 2, None, outside)])
    assert len(result) == 0
    with pytest.raises(ValueError, match="not as the edit"):
        history.do("delete", [Change((), 1, cell, None)])
    with pytest.raises(ValueError, match="plane within"):
        history.do("elsewhere", [Change((3,), 1, None, cell)])
    assert history.undo_name is None


def test_shown_are_kept_cells_always_and_rejected_ones_never():
    result = Result((20, 20), threshold=0.5)
    square = np.ones((3, 3), bool)
    result.put((), Instances((20, 20), [
        Instance(1, 0, 0, square, score=0.2, status="corrected"),
        Instance(2, 4, 4, square, score=0.9, status="rejected"),
        Instance(3, 8, 8, square, score=0.9),
        Instance(4, 12, 12, square, score=0.1),
    ]))  # fmt: skip
    assert result.visible(()).ids == [1, 3]
    assert result.n_visible() == 2


def test_reviewed_regions_are_edits_too():
    result = Result((40, 50))
    history = History(result)
    edits = []
    history.listen(edits.append)
    box = (2, 3, 20, 30)
    assert history.do("mark", regions=[RegionChange((), (), (box,))]) is edits[0]
    assert result.reviewed(()) == (box,)
    assert history.undo() == edits[0].inverse()
    assert result.reviewed(()) == ()
    history.redo()
    assert result.reviewed_planes == {(): (box,)}
    assert history.do("nothing", regions=[RegionChange((), (box,), (box,))]) is None


@pytest.mark.parametrize("box", [(0, 0, 41, 10), (5, 5, 5, 10), (-1, 0, 4, 4)])
def test_a_region_outside_the_image_changes_nothing(box):
    result = Result((40, 50))
    history = History(result)
    with pytest.raises(ValueError, match="inside a plane"):
        history.do("mark", regions=[RegionChange((), (), (box,))])
    with pytest.raises(ValueError, match="expects"):
        history.do("mark", regions=[RegionChange((), ((0, 0, 1, 1),), ())])
    assert result.reviewed_planes == {}
    assert history.undo_name is None
