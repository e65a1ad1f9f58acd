"""Every tool on hand-drawn cells, and random sequences of all of them: undone, redone and shown to the bit."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from napari_centermask.core import tools
from napari_centermask.core.compose import Views
from napari_centermask.core.history import History
from napari_centermask.core.instances import Instance, Instances, intersection
from napari_centermask.core.result import Result

SHAPE = (90, 110)


def picture(text: str) -> np.ndarray:
    return np.array([[c == "#" for c in row.strip()] for row in text.strip().splitlines()])


def plane(*masks: np.ndarray, **fields) -> Instances:
    """One cell for each (H, W) mask, ids from 1, orders from 0."""
    made = (Instance.from_mask(m, order=float(k), score=0.7, source="model", **fields) for k, m in enumerate(masks))
    return Instances(masks[0].shape, made)


def square(y0, x0, y1, x1, shape=(20, 20)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def full(instance: Instance, shape=(20, 20)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    y0, x0, y1, x1 = instance.box
    mask[y0:y1, x0:x1] = instance.mask
    return mask


def disk(y, x, r, shape=(60, 60)) -> np.ndarray:
    yy, xx = np.indices(shape)
    return np.hypot(yy - y, xx - x) <= r


def assert_parts(pairs, cell) -> list[Instance]:
    """The pairs divide a cell without loss or overlap; the largest part keeps the id. Returns the parts."""
    parts = [after for _, after in pairs]
    total = sum(full(p, SHAPE_OF[0]).astype(int) for p in parts)
    np.testing.assert_array_equal(total, full(cell, SHAPE_OF[0]))
    assert pairs[0][0] is cell
    assert [p.id for p in parts] == [cell.id] + [0] * (len(parts) - 1)
    assert parts[0].area == max(p.area for p in parts)
    assert {p.status for p in parts} == {"corrected"}
    return parts


SHAPE_OF = [(20, 20)]


@pytest.fixture(autouse=True)
def _shape():
    SHAPE_OF[0] = (20, 20)


def test_painting_keeps_score_and_source_and_marks_the_cell_corrected():
    cells = plane(square(2, 2, 6, 6))
    ((before, after),) = tools.commit(cells, 1, square(2, 2, 6, 9))
    assert before is cells[1]
    assert (after.id, after.status, after.score, after.source) == (1, "corrected", 0.7, "model")
    np.testing.assert_array_equal(full(after), square(2, 2, 6, 9))
    assert tools.commit(cells, 1, square(2, 2, 6, 6)) == []
    assert tools.commit(cells, 1, np.zeros((20, 20), bool)) == [(cells[1], None)]


@pytest.mark.parametrize("window", [(0, 0, 20, 20), (1, 2, 9, 12), (-3, -2, 30, 30)])
def test_painting_in_any_window_is_cut_at_the_border(window):
    cells = plane(square(2, 2, 6, 6))
    y0, x0, y1, x1 = window
    big = np.zeros((50, 50), bool)
    big[10 + 2 : 10 + 8, 10 + 2 : 10 + 10] = True
    if y0 < 0:
        big[7:12, 9:20] = True
    mask = big[10 + y0 : 10 + y1, 10 + x0 : 10 + x1]
    ((_, after),) = tools.commit(cells, 1, mask, (y0, x0))
    np.testing.assert_array_equal(full(after), big[10:30, 10:30])
    ((_, new),) = tools.new_cell(cells, mask, (y0, x0))
    np.testing.assert_array_equal(full(new), big[10:30, 10:30])


def test_whole_wide_images_are_cropped_as_small_ones():
    mask = square(3, 250, 9, 320, (300, 400))
    ((_, new),) = tools.new_cell(Instances((300, 400)), mask)
    assert new.box == (3, 250, 9, 320)
    assert new.mask.all()


def test_take_over_removes_what_the_stroke_added_and_no_older_overlap():
    cells = plane(square(2, 2, 8, 8), square(2, 7, 8, 14))
    pairs = tools.commit(cells, 1, square(2, 2, 8, 10), mode="take over")
    mine, other = (after for _, after in pairs)
    np.testing.assert_array_equal(full(mine), square(2, 2, 8, 10))
    np.testing.assert_array_equal(full(other), square(2, 7, 8, 8) | square(2, 10, 8, 14))
    swallowed = tools.commit(cells, 1, square(0, 0, 20, 20) & ~square(2, 7, 8, 8), mode="take over")
    assert [(b.id, a and full(a).sum()) for b, a in swallowed] == [(1, 400 - 6), (2, 6)]
    new = tools.new_cell(cells, square(0, 0, 20, 20), mode="take over")
    assert [(b and b.id, a and a.id) for b, a in new] == [(None, 0), (1, None), (2, None)]


def test_keep_out_stops_at_others_and_overlap_leaves_them():
    cells = plane(square(2, 2, 8, 8), square(2, 7, 8, 14))
    ((_, after),) = tools.commit(cells, 1, square(2, 2, 12, 10), mode="keep out")
    np.testing.assert_array_equal(full(after), square(2, 2, 8, 8) | square(8, 2, 12, 10))
    ((_, after),) = tools.commit(cells, 1, square(2, 2, 12, 10), mode="overlap")
    np.testing.assert_array_equal(full(after), square(2, 2, 12, 10))
    assert tools.commit(cells, 1, square(2, 2, 8, 10), mode="keep out") == []
    assert tools.new_cell(cells, square(3, 3, 5, 5), mode="keep out") == []


def test_hidden_cells_are_not_neighbours():
    cells = plane(square(2, 2, 8, 8), square(2, 8, 8, 14), square(2, 8, 8, 14))
    cells.set(2, replace(cells[2], status="rejected"))
    changed = tools.commit(cells, 1, square(2, 2, 8, 10), mode="take over")
    assert [b.id for b, _ in changed] == [1, 3]
    assert [b.id for b, _ in tools.commit(cells, 1, square(2, 2, 8, 10), mode="take over", shows=lambda i: False)] == [
        1
    ]
    with pytest.raises(ValueError, match="keep out"):
        tools.commit(cells, 1, square(2, 2, 8, 10), mode="merge")


def test_new_cells_lie_on_top_of_what_they_meet():
    cells = plane(square(2, 2, 8, 8), square(12, 12, 18, 18))
    ((none, new),) = tools.new_cell(cells, square(1, 1, 4, 4), category=3)
    assert none is None
    assert (new.id, new.category, new.status, new.source, new.score, new.order) == (0, 3, "accepted", "manual", 1, 1.0)
    ((_, model),) = tools.new_cell(cells, square(1, 1, 4, 4), source="nuclei", score=0.4, status="predicted")
    assert (model.source, model.score, model.status) == ("nuclei", 0.4, "predicted")
    assert tools.new_cell(cells, square(0, 0, 0, 0)) == []


def test_new_ids_come_from_the_result():
    result = Result((20, 20), leading=(2,))
    result.put((0,), plane(square(2, 2, 8, 8)))
    result.put((1,), plane(square(2, 2, 8, 8)))
    history = History(result)
    history.do("split", tools.to_changes(tools.split_line(result.plane((0,)), 1, [(0, 4), (19, 4)]), (0,), result))
    assert result.plane((0,)).ids == [1, 3]
    assert result.new_id() == 4


def test_a_line_divides_and_the_largest_part_keeps_the_id():
    cells = plane(square(2, 2, 12, 12))
    large, small = assert_parts(tools.split_line(cells, 1, [(0, 5), (19, 5)]), cells[1])
    assert (large.x0, small.x0) == (6, 2) or (large.x0, small.x0) == (5, 2)
    assert {large.score, small.score} == {0.7}


@pytest.mark.parametrize("seed", range(40))
def test_any_line_across_divides_without_loss(seed):
    SHAPE_OF[0] = (60, 60)
    rng = np.random.default_rng(seed)
    mask = disk(30, 30, 12) | disk(38, 38, 8)
    mask[28:31, 28:31] = False
    cells = plane(mask)
    angle = rng.uniform(0, np.pi)
    way = 29 * np.array([np.sin(angle), np.cos(angle)])
    middle = (31, 31) + rng.uniform(-3, 3, 2)
    line = [middle - way, middle + rng.uniform(-2, 2, 2), middle + way]
    assert len(assert_parts(tools.split_line(cells, 1, line), cells[1])) >= 2


def test_a_line_that_nearly_reaches_the_rim_is_widened_a_short_one_does_nothing():
    cells = plane(square(2, 2, 12, 12))
    assert len(assert_parts(tools.split_line(cells, 1, [(3, 6), (10, 6)]), cells[1])) == 2
    assert tools.split_line(cells, 1, [(5, 6), (8, 6)]) == []
    assert tools.split_line(cells, 1, [(0, 15), (19, 15)]) == []
    assert tools.split_line(cells, 1, [(4, 4)]) == []
    assert tools.split_line(cells, 1, [(4, 4), (4, 4)]) == []


def test_a_line_that_grazes_the_rim_leaves_no_debris():
    SHAPE_OF[0] = (60, 60)
    cells = plane(disk(30, 30, 20))
    pairs = tools.split_line(cells, 1, [(10, 0), (10, 59)])
    assert pairs == [] or min(a.area for _, a in pairs) > 12


def test_a_line_between_two_parts_divides_them_and_one_through_a_part_leaves_the_other_beside_it():
    cells = plane(square(2, 2, 6, 6) | square(2, 12, 6, 18))
    right, left = assert_parts(tools.split_line(cells, 1, [(1, 9), (7, 9)]), cells[1])
    assert (right.box, left.box) == ((2, 12, 6, 18), (2, 2, 6, 6))
    parts = assert_parts(tools.split_line(cells, 1, [(0, 15), (8, 15)]), cells[1])
    assert len(parts) == 2
    assert tools.split_line(cells, 1, [(0, 0), (0, 1)]) == []


def test_a_line_divides_a_ring_only_where_it_crosses_twice():
    ring = square(2, 2, 12, 12) & ~square(5, 5, 9, 9)
    cells = plane(ring)
    assert tools.split_line(cells, 1, [(0, 7), (7, 7)]) == []
    assert len(assert_parts(tools.split_line(cells, 1, [(0, 7), (14, 7)]), cells[1])) == 2


def test_seeds_divide_at_the_neck():
    SHAPE_OF[0] = (60, 60)
    cells = plane(disk(30, 18, 11) | disk(30, 38, 11) | disk(5, 5, 2))
    parts = assert_parts(tools.split_seeds(cells, 1, [(30.2, 15), (31, 41), (59, 59)]), cells[1])
    assert len(parts) == 2
    left = next(p for p in parts if p.x0 < 10)
    assert left.box[3] in (28, 29)
    assert tools.split_seeds(cells, 1, [(30, 15)]) == []
    assert tools.split_seeds(cells, 1, [(30, 15), (30.1, 15.2)]) == []
    assert tools.split_seeds(cells, 1, np.zeros((0, 2))) == []
    three = assert_parts(tools.split_seeds(cells, 1, [(30, 15), (30, 41), (5, 5)]), cells[1])
    assert sorted(p.area for p in three)[0] == disk(5, 5, 2).sum()


def test_the_automatic_split_finds_necks_and_leaves_round_long_and_bent_cells():
    SHAPE_OF[0] = (60, 60)
    two = plane(disk(30, 18, 12) | disk(30, 36, 12))
    assert len(assert_parts(tools.split_auto(two, 1), two[1])) == 2
    three = plane(disk(20, 20, 9) | disk(20, 36, 9) | disk(34, 44, 9))
    assert len(assert_parts(tools.split_auto(three, 1), three[1])) == 3
    apart = plane(disk(20, 20, 9) | disk(44, 44, 7))
    assert len(assert_parts(tools.split_auto(apart, 1), apart[1])) == 2
    bent = disk(30, 30, 25) & ~disk(30, 30, 15) & ~square(30, 0, 60, 60, (60, 60))
    for whole in (disk(30, 30, 14), square(20, 5, 27, 55, (60, 60)), bent, disk(30, 30, 1), disk(3, 3, 0)):
        assert tools.split_auto(plane(whole), 1) == []


def test_merging_keeps_the_largest_and_the_highest_level():
    cells = plane(square(2, 2, 5, 5), square(2, 4, 8, 10), square(15, 15, 16, 16))
    pairs = tools.merge(cells, [1, 3, 2])
    whole = pairs[0][1]
    assert (pairs[0][0].id, whole.id, whole.order, whole.status) == (2, 2, 2.0, "corrected")
    np.testing.assert_array_equal(full(whole), full(cells[1]) | full(cells[2]) | full(cells[3]))
    assert {b.id for b, a in pairs if a is None} == {1, 3}
    assert tools.merge(cells, [1]) == tools.merge(cells, [1, 1]) == tools.merge(cells, []) == []


def test_holes_are_filled_and_debris_removed_but_never_the_largest_part():
    cells = plane(picture("######.\n#.##.#.\n######.\n.......\n##....#"))
    ((_, filled),) = tools.fill_holes(cells, [1])
    np.testing.assert_array_equal(full(filled, (5, 7)), picture("######.\n######.\n######.\n.......\n##....#"))
    ((_, clean),) = tools.remove_debris(cells, [1], 2)
    np.testing.assert_array_equal(full(clean, (5, 7)), picture("######.\n#.##.#.\n######.\n.......\n##....."))
    ((_, largest),) = tools.remove_debris(cells, [1], 1000)
    assert largest.box == (0, 0, 3, 6)
    assert tools.remove_debris(cells, [1], 1) == []
    assert tools.fill_holes(plane(square(1, 1, 4, 4)), [1]) == []


@pytest.mark.parametrize("n", [1, 2, 3.5])
def test_growing_and_shrinking_go_by_euclidean_distance_and_stop_at_the_border(n):
    mask = disk(5, 8, 6, (20, 20)) & ~square(4, 8, 6, 9)
    cells = plane(mask)
    yy, xx = np.indices((20, 20))

    def near(of):
        return (np.hypot(yy[..., None] - yy[of], xx[..., None] - xx[of]) <= n).any(axis=-1)

    ((_, grown),) = tools.grow(cells, [1], n)
    np.testing.assert_array_equal(full(grown), near(mask))
    ((_, shrunk),) = tools.shrink(cells, [1], n)
    expected = mask & ~near(~mask)
    if expected.any():
        np.testing.assert_array_equal(full(shrunk), expected)
    else:
        assert shrunk is None


def test_cells_that_fill_the_image_neither_grow_nor_shrink():
    cells = plane(np.ones((20, 20), bool))
    assert tools.grow(cells, [1], 3) == tools.shrink(cells, [1], 3) == tools.smooth(cells, [1]) == []


def test_smoothing_evens_a_ragged_rim_and_keeps_parts_and_specks():
    rng = np.random.default_rng(0)
    base = disk(20, 20, 10) | disk(45, 45, 8)
    ragged = base ^ ((rng.random(base.shape) < 0.5) & (disk(20, 20, 11) & ~disk(20, 20, 9)))
    cells = plane(ragged, disk(30, 10, 0))
    ((before, after),) = tools.smooth(cells, [1, 2], 1.5)
    assert before.id == 1
    from scipy.ndimage import label

    assert label(full(after, (60, 60)))[1] == 2
    assert np.count_nonzero(full(after, (60, 60)) ^ base) < np.count_nonzero(ragged ^ base)


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


@pytest.mark.parametrize("win", [True, False])
def test_exclusive_cells_share_no_pixel_and_none_is_lost(win):
    cells = plane(square(2, 2, 10, 10), square(5, 5, 14, 14), square(8, 2, 12, 16), square(0, 0, 1, 1))
    union = sum(full(i) for i in cells) > 0
    pairs = tools.make_exclusive(cells, [1, 2], win=win)
    now = Instances(cells.shape, cells)
    for before, after in pairs:
        assert cells[before.id] is before
        now.set(before.id, after)
    pairs_of_ids = [(1, 2), (1, 3), (2, 3)]
    assert all(intersection(now[a], now[b]) == 0 for a, b in pairs_of_ids)
    np.testing.assert_array_equal(sum(full(i) for i in now), union)
    assert now[2].area > 0
    np.testing.assert_array_equal(full(now[2]), full(cells[2]) if win else full(cells[2]) & ~full(cells[3]))
    assert tools.make_exclusive(cells, [4]) == []


def test_exclusive_cells_delete_what_they_cover():
    cells = plane(square(2, 2, 10, 10), square(3, 3, 5, 5))
    assert tools.make_exclusive(cells, [1]) == [(cells[2], None)]
    assert tools.make_exclusive(cells, [2], win=False) == [(cells[2], None)]


def test_copies_get_new_ids_and_are_cut():
    source = plane(square(2, 2, 10, 10), square(15, 15, 20, 20), category=2)
    target = Instances((12, 12), categories={1: "a", 2: "b"})
    ((none, copy),) = tools.copy_to(target, source)
    assert none is None
    assert (copy.id, copy.category, copy.score, copy.status) == (0, 2, 0.7, "corrected")
    assert copy.mask is not source[1].mask


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


def blob(rng) -> np.ndarray:
    """Ragged cells with holes and parts."""
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    centre, radii = rng.uniform(0, SHAPE), rng.uniform(3, 16, 2)
    mask = ((yy - centre[0]) / radii[0]) ** 2 + ((xx - centre[1]) / radii[1]) ** 2 < 1
    return mask & (rng.random(SHAPE) < 0.9)


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


@pytest.mark.parametrize("seed", range(6))
def test_no_split_loses_or_doubles_a_pixel(seed):
    SHAPE_OF[0] = SHAPE
    rng = np.random.default_rng(seed)
    for _ in range(40):
        cells = plane(blob(rng) | blob(rng))
        near = np.array(cells[1].box[:2]) + rng.uniform(-3, max(cells[1].mask.shape), (4, 2))
        for pairs in (
            tools.split_line(cells, 1, near),
            tools.split_seeds(cells, 1, near),
            tools.split_auto(cells, 1),
        ):
            if pairs:
                assert len(assert_parts(pairs, cells[1])) > 1


def field() -> Result:
    result = Result((20, 20))
    result.put((), plane(square(2, 2, 8, 8), square(10, 2, 18, 10)))
    return result


@pytest.mark.parametrize("tool", tools.TOOLS.values(), ids=list(tools.TOOLS))
def test_the_table_names_what_each_function_takes(tool):
    function, fixed = tool.function, {}
    if isinstance(function, partial):
        function, fixed = function.func, function.keywords
    takes = inspect.signature(function).parameters
    first, *rest = [name for name in takes if name not in fixed]
    assert first == "cells"
    assert ("shows" in rest) == tool.sees_others
    if tool.acts_on != "plane":
        assert rest.pop(0) == {"cell": "id", "cells": "ids"}[tool.acts_on]
    own = [name for name in rest if name not in ("shows", "fields", "win")]
    assert set(own) <= set(tool.arguments)
    assert "fields" in takes or set(own) == set(tool.arguments)


def test_a_tool_of_the_table_changes_cells_and_names_its_edit():
    result = field()
    grow = tools.TOOLS["grow"]
    (change,) = grow.changes(result, (), (1,), n=1)
    assert (change.id, change.after.area > change.before.area) == (1, True)
    assert grow.edit_name((1,)) == "growth of cell 1"
    assert grow.edit_name((1, 2)) == "growth of 2 cells"
    assert grow.changes(result, (), (), n=1) == grow.changes(result, (), (1, 7), n=1) == []
    with pytest.raises(TypeError, match="takes"):
        grow.changes(result, (), (1,), line=())


def test_tools_act_on_the_first_cell_on_all_or_on_none():
    assert tools.TOOLS["split_auto"].targets((3, 4)) == (3,)
    assert tools.TOOLS["merge"].targets((3, 4)) == (3, 4)
    assert tools.TOOLS["new_cell"].targets((3, 4)) == ()
