"""A new run replaces predictions and leaves what a person decided."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.core.columns import Columns
from napari_centermask.core.history import History
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.predictions import replace_predictions
from napari_centermask.core.result import Result
from napari_centermask.core.tools import set_status, to_changes


def square(y, x, size=10, **fields):
    return Instance(0, y, x, np.ones((size, size), bool), **fields)


@pytest.fixture
def history():
    result = Result((64, 64))
    cells = [square(5, 5), square(30, 30), square(5, 40), square(45, 5)]
    result.put((), Instances((64, 64), cells))
    history = History(result)
    for id, status in ((2, "corrected"), (3, "rejected")):
        cell = result.get((), id)

        history.do("x", to_changes(set_status(result.plane(()), [cell.id], status), (), result))
    return history


def test_a_new_run_keeps_what_a_person_decided(history):
    result = history.result
    new = Instances((64, 64), [square(6, 5), square(31, 30), square(5, 41), square(20, 5)])
    history.do("segmentation", replace_predictions(result, (), new))
    statuses = {(i.y0, i.x0): i.status for i in result.plane(())}
    expected = {(30, 30): "corrected", (5, 40): "rejected", (6, 5): "predicted", (20, 5): "predicted"}
    assert statuses == expected
    assert min(i.id for i in result.plane(()) if i.status == "predicted") > 4
    history.undo()
    assert {i.id for i in result.plane(())} == {1, 2, 3, 4}


def test_a_region_replaces_only_what_is_centred_in_it(history):
    result = history.result
    region = [np.array([(0, 0), (0, 20), (20, 20), (20, 0)], float)]
    history.do("segmentation", replace_predictions(result, (), Instances((64, 64), [square(8, 8)]), region=region))
    assert {(i.y0, i.x0) for i in result.plane(())} == {(8, 8), (30, 30), (5, 40), (45, 5)}


def test_cells_of_another_shape_are_refused(history):
    with pytest.raises(ValueError, match="shape|plane of"):
        replace_predictions(history.result, (), Instances((32, 64)))


def test_a_run_leaves_drafts_there_and_does_not_find_them_again():
    result = Result((64, 64), threshold=0.9)
    square = np.ones((8, 8), bool)
    draft = Instance(0, 4, 4, square, score=0.3, source="nuclei by click")
    result.put((), Instances((64, 64), [draft, Instance(0, 30, 30, square, score=0.95)]))
    assert draft.is_draft
    assert result.n_visible() == 2
    assert Columns(result).shown().sum() == 2
    new = Instances((64, 64), [Instance(1, 4, 5, square, score=0.99), Instance(2, 30, 30, square, score=0.99)])
    changes = replace_predictions(result, (), new)
    assert [change.id for change in changes if change.after is None] == [2]
    assert [change.after.y0 for change in changes if change.after is not None] == [30]
