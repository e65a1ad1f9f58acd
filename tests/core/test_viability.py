"""Categories by threshold: which cells follow, what stays, and the counts, against a cell by cell reading."""

from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.history import Change, History
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.core.viability import CellProbabilities, dead_category, renamed

LIVE_DEAD = {1: "live", 2: "dead"}


def square(id, *, p=(), category=1, status="predicted", score=0.9):
    y, x = divmod(id, 20)
    return Instance(id, 5 * y, 5 * x, np.ones((4, 4), bool), category, score, 1.0, status, probabilities=tuple(p))


def result_of(planes, *, leading=(), categories=LIVE_DEAD, threshold=0.3):
    result = Result((100, 100), leading=leading, threshold=threshold)
    for index, cells in planes.items():
        result.put(index, Instances((100, 100), cells, categories=categories), keep_ids=True)
    result.categories = dict(categories)
    return result


def crowd(seed, *, categories, leading=()):
    """Cells of all kinds: judged, without probabilities, below the score."""
    rng = np.random.default_rng(seed)
    planes, id = {}, 0
    for index in np.ndindex(*leading):
        cells = []
        for _ in range(30):
            id += 1
            p = rng.dirichlet(np.ones(len(categories))) if rng.random() < 0.8 else ()
            status = rng.choice(["predicted", "predicted", "predicted", "accepted", "corrected", "rejected"])
            kind = int(rng.choice(list(categories)))
            cells.append(square(id % 200, p=p, category=kind, status=str(status), score=float(rng.random())))
            cells[-1] = replace(cells[-1], id=id)
        planes[index] = cells
    return result_of(planes, leading=leading, categories=categories)


def by_hand(cell, categories, dead, threshold):
    """What a cell is by a threshold, read from the cell alone."""
    if cell.status != "predicted" or not cell.probabilities:
        return cell.category
    p = dict(zip(sorted(categories), cell.probabilities, strict=True))
    if p[dead] >= threshold:
        return dead
    return max((k for k in p if k != dead), key=lambda k: (p[k], -k))


@pytest.mark.parametrize(
    ("names", "dead"),
    [
        (("live", "dead"), 2),
        (("Dead cell", "live"), 1),
        (("tot", "lebend"), 1),
        (("total stain", "cell"), None),
        (("non-viable", "viable", "debris"), 1),
        (("alive", "apoptotic", "debris"), 2),
        (("not viable", "viable"), 1),
        (("non-living", "living"), 1),
        (("stained", "live"), 1),
        (("alive", "living"), 2),
        (("A", "B"), None),
        (("nucleus", "cell"), None),
        (("nucleus",), None),
    ],
)
def test_the_dead_category_is_known_by_its_name(names, dead):
    assert dead_category(dict(enumerate(names, start=1))) == dead


@pytest.mark.parametrize("categories", [LIVE_DEAD, {1: "live", 4: "dead", 7: "debris"}])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.77, 1.0])
def test_every_cell_is_what_its_probabilities_and_its_status_say(categories, threshold):
    result = crowd(3, categories=categories)
    cells = CellProbabilities(result)
    wanted = {c.id: by_hand(c, categories, cells.category, threshold) for c in result}
    History(result).do("threshold", cells.changes(threshold))
    assert {c.id: c.category for c in result} == wanted
    assert {c.id: c.status for c in result} == {c.id: c.status for c in crowd(3, categories=categories)}


def test_a_probability_equal_to_the_threshold_is_dead():
    result = result_of({(): [square(1, p=(0.7, 0.3)), square(2, p=(0.71, 0.29))]})
    assert CellProbabilities(result).categories(0.3)[:2].tolist() == [2, 1]


def test_only_the_cells_that_change_are_changed_and_the_edit_can_be_undone():
    result = crowd(5, categories=LIVE_DEAD, leading=(2,))
    before = {c.id: c for c in result}
    cells, history = CellProbabilities(result), History(result)
    history.listen(cells.update)
    edit = history.do("threshold", cells.changes(0.4))
    assert edit is not None
    assert all(c.before.category != c.after.category for c in edit.changes)
    assert cells.changes(0.4) == []
    history.undo()
    assert all(c.equals(before[c.id]) for c in result)


def test_it_follows_edits_as_if_it_was_read_anew():
    result = crowd(7, categories=LIVE_DEAD, leading=(2, 3))
    cells, history = CellProbabilities(result), History(result)
    history.listen(cells.update)
    some = list(result.plane((1, 2)))
    new = replace(square(150, p=(0.1, 0.9)), id=result.new_id())
    changes = [Change((1, 2), c.id, c, replace(c, status="accepted", category=2)) for c in some[:5]]
    history.do("edit", [*changes, Change((1, 2), some[9].id, some[9], None), Change((1, 2), new.id, None, new)])
    fresh = CellProbabilities(result)
    for t in (0.2, 0.5, 0.9):
        np.testing.assert_array_equal(cells.counts(t).numbers, fresh.counts(t).numbers)
        assert {c.id for c in cells.changes(t)} == {c.id for c in fresh.changes(t)}


@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_counts_are_those_of_the_shown_cells_plane_by_plane(leading):
    result = crowd(11, categories=LIVE_DEAD, leading=leading)
    cells = CellProbabilities(result)
    for threshold in (0.25, 0.6):
        counts = cells.counts(threshold)
        for index in np.ndindex(*leading):
            kinds = [by_hand(c, LIVE_DEAD, 2, threshold) for c in result.plane(index) if result.shows(c)]
            assert counts.of(index).tolist() == [kinds.count(1), kinds.count(2)]
            expected = 100 * kinds.count(1) / len(kinds)
            assert counts.viability(counts.of(index)) == pytest.approx(expected)
        assert counts.total.sum() == result.n_visible()
        if len(leading) == 2:
            np.testing.assert_array_equal(counts.along(1), counts.numbers.sum(axis=0))
            np.testing.assert_array_equal(counts.along(0), counts.numbers.sum(axis=1))


def test_a_plane_without_cells_has_no_viability():
    counts = CellProbabilities(result_of({(1,): [square(1, p=(0.2, 0.8))]}, leading=(3,))).counts(0.5)
    assert counts.numbers.tolist() == [[0, 0], [0, 1], [0, 0]]
    np.testing.assert_array_equal(counts.viability(counts.numbers), [np.nan, 0.0, np.nan])


def test_the_threshold_that_made_the_categories_is_found_again():
    result = crowd(13, categories=LIVE_DEAD)
    cells, history = CellProbabilities(result), History(result)
    history.listen(cells.update)
    for threshold in (0.5, 0.31, 0.8, 0.0):
        history.do("threshold", cells.changes(threshold))
        assert cells.fitting(threshold) == threshold
        fitted = cells.fitting(0.99)
        assert fitted is not None
        assert cells.changes(fitted) == []


def test_no_threshold_fits_cells_that_contradict_each_other():
    result = result_of({(): [square(1, p=(0.2, 0.8), category=1), square(2, p=(0.7, 0.3), category=2)]})
    assert CellProbabilities(result).fitting(0.5) is None


def test_a_category_that_came_later_has_no_probability_and_cells_keep_theirs():
    result = result_of({(): [square(1, p=(0.2, 0.8), category=2)]}, categories={**LIVE_DEAD, 3: "debris"})
    cells = CellProbabilities(result)
    assert cells.changes(0.9)[0].after.category == 1
    cells.choose(3)
    assert cells.changes(0.0) == []


def test_probabilities_move_with_the_ids_of_their_categories():
    cell = square(1, p=(0.2, 0.8), category=2)
    moved = renamed(cell, {1: 4, 2: 3}, LIVE_DEAD, {1: "cell", 3: "dead", 4: "live"})
    assert (moved.category, moved.probabilities) == (3, (0.0, 0.8, 0.2))
    assert renamed(cell, {}, LIVE_DEAD, LIVE_DEAD).equals(cell)
    assert renamed(cell, {}, {1: "cell"}, {1: "cell"}).probabilities == ()
