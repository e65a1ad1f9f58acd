from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.columns import STATUSES, Columns, covered_part, solidity
from napari_centermask.core.history import Change, History
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result


def square(id, y0, x0, size=10, **fields):
    return Instance(id, y0, x0, np.ones((size, size), bool), **fields)


def result_of(*cells, shape=(64, 64), threshold=0.3):
    result = Result(shape, threshold=threshold)
    result.put((), Instances(shape, cells), keep_ids=True)
    return result


def disc(radius):
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.hypot(yy, xx) <= radius


def by_brute_force(result, index, cell):
    """Part of a cell that shown cells share, from whole images."""
    others = np.zeros(result.shape, bool)
    own = np.zeros(result.shape, bool)
    for other in result.plane(index):
        y0, x0, y1, x1 = other.box
        if other.id == cell.id:
            own[y0:y1, x0:x1] |= other.mask
        elif result.shows(other):
            others[y0:y1, x0:x1] |= other.mask
    return (own & others).sum() / own.sum()


def assert_same_rows(columns, fresh):
    """All that can be read of two `Columns` of one result is equal."""
    for one in (columns, fresh):
        one.measure()
    assert sorted(columns.data["id"][columns.alive()]) == sorted(fresh.data["id"][fresh.alive()])
    for row in columns.alive():
        a, b = columns.data[row], fresh.data[fresh.row(int(columns.data["id"][row]))]
        assert columns.plane(row) == fresh.plane(fresh.row(int(a["id"])))
        assert columns.sources[a["source"]] == fresh.sources[b["source"]]
        for name in ("box", "category", "score", "mask_quality", "area", "status", "overlap", "solidity"):
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_a_row_says_what_its_cell_is():
    cell = square(7, 3, 4, category=2, score=0.5, mask_quality=0.8, status="accepted", source="nuclei")
    columns = Columns(result_of(cell))
    row = columns.row(7)
    data = columns.data[row]
    assert (data["id"], data["category"], data["area"]) == (7, 2, 100)
    assert data["box"].tolist() == [3, 4, 13, 14]
    assert data["score"] == np.float32(0.5)
    assert data["mask_quality"] == np.float32(0.8)
    assert STATUSES[data["status"]] == "accepted"
    assert columns.sources[data["source"]] == "nuclei"
    assert columns.plane(row) == ()
    assert columns.cell(row).equals(cell)
    assert columns.row(8) is None


def test_shown_says_what_the_result_says():
    cells = [
        square(k + 1, 2 * k, 2 * k, score=score, status=status)
        for k, (score, status) in enumerate((s, t) for s in (0.1, 0.3, 0.9) for t in STATUSES)
    ]
    columns = Columns(result_of(*cells))
    shown = columns.shown()
    assert {int(i) for i in columns.data["id"][shown]} == {c.id for c in cells if columns.result.shows(c)}


@pytest.mark.parametrize("n", [12, 90])
def test_overlap_equals_brute_force_for_few_and_for_many(cells, n):
    result = Result((256, 256), threshold=0.6)
    result.put((), cells(n=n, overlap=0.6, seed=4))
    columns = Columns(result)
    columns.measure()
    for row in columns.alive():
        wanted = by_brute_force(result, (), columns.cell(row))
        assert columns.data["overlap"][row] == pytest.approx(wanted, abs=1e-6)


def test_cells_of_other_planes_do_not_overlap():
    result = Result((64, 64), leading=(2,))
    result.put((0,), Instances((64, 64), [square(0, 5, 5)]))
    result.put((1,), Instances((64, 64), [square(0, 5, 5)]))
    columns = Columns(result)
    columns.measure()
    assert columns.data["overlap"][columns.alive()].tolist() == [0, 0]


def test_another_threshold_measures_overlap_again():
    result = result_of(square(1, 0, 0, score=0.9), square(2, 0, 5, score=0.4))
    columns = Columns(result)
    columns.measure()
    assert columns.data["overlap"][columns.row(1)] == 0.5
    result.threshold = 0.5
    columns.measure()
    assert columns.data["overlap"][columns.row(1)] == 0


def test_measuring_in_parts_measures_all(cells):
    result = Result((256, 256))
    result.put((), cells(n=40))
    columns = Columns(result)
    steps = 1
    while columns.measure_some(7):
        steps += 1
    assert steps == 6
    assert not np.isnan(columns.data["overlap"][columns.alive()]).any()
    assert not np.isnan(columns.data["solidity"][columns.alive()]).any()


@pytest.mark.parametrize("many", [0, 200])
@pytest.mark.parametrize("seed", range(4))
def test_after_random_edits_the_rows_are_those_of_a_fresh_reading(cells, seed, many, monkeypatch):
    monkeypatch.setattr("napari_centermask.core.columns._MANY", many)
    rng = np.random.default_rng(seed)
    result = Result((256, 256), leading=(2,), threshold=0.7)
    for plane in range(2):
        result.put((plane,), cells(n=15, overlap=0.6, seed=10 * seed + plane))
    history, columns = History(result), Columns(result)
    changed = []
    history.listen(lambda edit: changed.append(columns.update(edit)))
    for _ in range(80):
        act = rng.integers(6)
        plane = (int(rng.integers(2)),)
        if act == 0:
            history.undo()
        elif act == 1:
            history.redo()
        else:
            history.do("edit", _random_changes(rng, result, plane, act))
        if rng.random() < 0.3:
            columns.measure_some(5)
    assert len(changed) > 40
    assert_same_rows(columns, Columns(result))


def _random_changes(rng, result, plane, act):
    present = list(result.plane(plane))
    if act == 2 or not present:
        new = square(result.new_id(), *rng.integers(0, 230, 2).tolist(), size=20, source=f"s{rng.integers(3)}")
        return [Change(plane, new.id, None, new)]
    cell = present[rng.integers(len(present))]
    if act == 3:
        return [Change(plane, cell.id, cell, None)]
    if act == 4:
        return [Change(plane, cell.id, cell, replace(cell, status=STATUSES[rng.integers(4)], category=2))]
    mask = np.ones((int(rng.integers(5, 25)), 12), bool)
    return [Change(plane, cell.id, cell, replace(cell, y0=100, x0=int(rng.integers(200)), mask=mask))]


def test_update_names_the_cell_and_its_neighbours_alone():
    result = result_of(square(1, 0, 0), square(2, 0, 5), square(3, 40, 40))
    history, columns = History(result), Columns(result)
    columns.measure()
    rows = []
    history.listen(lambda edit: rows.append(columns.update(edit)))
    cell = result.get((), 1)
    history.do("reject", [Change((), 1, cell, replace(cell, status="rejected"))])
    assert set(rows[0].tolist()) == {columns.row(1), columns.row(2)}
    assert np.isnan(columns.data["overlap"][columns.row(2)])
    assert columns.data["overlap"][columns.row(3)] == 0
    columns.measure()
    assert columns.data["overlap"][columns.row(2)] == 0


def test_an_accepted_cell_leaves_what_was_measured():
    result = result_of(square(1, 0, 0), square(2, 0, 5))
    history, columns = History(result), Columns(result)
    columns.measure()
    rows = []
    history.listen(lambda edit: rows.append(columns.update(edit)))
    cell = result.get((), 1)
    history.do("accept", [Change((), 1, cell, replace(cell, status="accepted"))])
    assert rows[0].tolist() == [columns.row(1)]
    assert not columns.measure_some()
    assert columns.data["overlap"][[columns.row(1), columns.row(2)]].tolist() == [0.5, 0.5]


def test_rows_stay_while_others_come_and_go():
    result = result_of(*(square(k, 0, k) for k in range(1, 17)))
    history, columns = History(result), Columns(result)
    history.listen(columns.update)
    row = columns.row(5)
    for k in range(40):
        new = square(result.new_id(), 20, k)
        history.do("new cell", [Change((), new.id, None, new)])
    cell = result.get((), 4)
    history.do("delete", [Change((), 4, cell, None)])
    assert columns.row(5) == row
    assert columns.row(4) is None
    assert len(columns.alive()) == 55


def test_solidity_of_discs_is_high_and_of_two_touching_discs_low():
    assert min(solidity(disc(r)) for r in (3, 5, 10, 30, 80)) > 0.97
    two = np.zeros((41, 81), bool)
    two[:, :41] |= disc(20)
    two[:, 40:] |= disc(20)
    assert 0.7 < solidity(two) < 0.92
    ring = disc(20)
    ring[10:31, 10:31] = False
    assert solidity(ring) == pytest.approx(ring.sum() / disc(20).sum(), abs=0.03)
    assert solidity(np.ones((1, 1), bool)) == 1
    assert solidity(np.ones((1, 9), bool)) == 1


def test_solidity_follows_skimage(cells):
    from skimage.morphology import convex_hull_image

    for cell in cells(n=20, seed=3):
        padded = np.pad(cell.mask, 2)
        wanted = padded.sum() / convex_hull_image(padded, offset_coordinates=False).sum()
        assert solidity(cell.mask) == pytest.approx(wanted, abs=0.05)


def test_covered_part_counts_a_pixel_once_however_many_cells_share_it():
    cell = square(1, 10, 10)
    assert covered_part(cell, []) == 0
    assert covered_part(cell, [square(2, 10, 15), square(3, 10, 15), square(4, 30, 30)]) == 0.5
    assert covered_part(cell, [square(2, 0, 0, size=40)]) == 1
