"""What a classifier says becomes one edit: whom it may tell, under which ids, mixed with what was known, and back."""

from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.classification import classified, to_classify, with_names
from napari_centermask.core.history import Change, History
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result

NAMES = ["living", "dead"]


def cell(id, *, p=(), y=0, **fields):
    return Instance(id, y, 5 * id, np.ones((4, 4), bool), probabilities=tuple(p), **fields)


def result_of(cells, categories, *, leading=(), index=()):
    result = Result((50, 100), leading=leading)
    result.put(index, Instances((50, 100), cells, categories=categories), keep_ids=True)
    result.categories = dict(categories)
    return result


def do(result, said, **options):
    (index, cells), *_ = to_classify(result).items()
    changes = classified(result, index, cells, np.array(said, float), NAMES, **options)
    result.categories = with_names(result.categories, NAMES)
    history = History(result)
    history.do("classification", changes)
    return history


def test_what_a_person_judged_stays_unless_asked_for_and_what_was_rejected_always():
    cells = [cell(k, status=s) for k, s in enumerate(("predicted", "accepted", "corrected", "rejected"), start=1)]
    result = result_of([*cells, cell(9, y=20)], {1: "cell"}, leading=(3,), index=(1,))
    assert {i: [c.id for c in cs] for i, cs in to_classify(result).items()} == {(1,): [1, 9]}
    assert [c.id for c in to_classify(result, judged=True)[(1,)]] == [1, 2, 3, 9]
    result.set_reviewed((1,), [(15, 0, 40, 100)])
    assert [c.id for c in to_classify(result)[(1,)]] == [1]
    assert [c.id for c in to_classify(result, judged=True)[(1,)]] == [1, 2, 3, 9]


def test_new_names_come_after_the_known_ones_and_undo_restores_every_cell():
    result = result_of([cell(1, p=(0.25, 0.75), category=3), cell(2)], {1: "debris", 3: "dead"})
    before = list(result)
    history = do(result, [[0.9, 0.1], [0.2, 0.8]])
    assert result.categories == {1: "debris", 3: "dead", 4: "living"}
    one, two = result
    assert (one.category, two.category) == (4, 3)
    assert one.probabilities == pytest.approx((0, 0.1, 0.9))
    assert two.probabilities == pytest.approx((0, 0.8, 0.2))
    assert (one.score, one.status, one.source) == (before[0].score, "predicted", before[0].source)
    history.undo()
    assert [c is b for c, b in zip(result, before, strict=True)] == [True, True]


def test_the_mean_is_with_each_cells_former_probabilities():
    result = result_of([cell(1, p=(0.5, 0.3, 0.2)), cell(2), cell(3, p=(1.0,))], {1: "dead", 2: "debris", 3: "odd"})
    do(result, [[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]], mean=True)
    given = [c.probabilities for c in result]
    np.testing.assert_allclose(given[0], [0.3, 0.15, 0.1, 0.45])
    np.testing.assert_allclose(given[1], [0.6, 0, 0, 0.4])
    np.testing.assert_allclose(given[2], [0.3, 0, 0, 0.7])
    assert [c.category for c in result] == [4, 1, 4]


def test_a_cell_that_changed_meanwhile_is_left_out():
    result = result_of([cell(1), cell(2), cell(3)], {1: "living", 2: "dead"})
    cells = to_classify(result)[()]
    history = History(result)
    hand = [replace(cells[0], status="corrected"), None, replace(cells[2], category=2)]
    history.do("by hand and threshold", [Change((), c.id, c, h) for c, h in zip(cells, hand, strict=True)])
    changes = classified(result, (), cells, np.full((3, 2), 0.5), NAMES)
    assert [(c.id, c.before.category) for c in changes] == [(3, 2)]
    assert classified(result, (), [], np.zeros((0, 2)), NAMES, mean=True) == []
