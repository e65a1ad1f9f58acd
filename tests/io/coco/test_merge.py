from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.history import History
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.merge import merge, merge_categories


def square(y, x, side=10, **fields):
    return Instance(fields.pop("id", 0), y, x, np.ones((side, side), bool), **fields)


def record(*cells, categories=None, **fields):
    return ImageRecord(1, "a.png", None, (64, 64), Instances((64, 64), cells, categories=categories), **fields)


@pytest.fixture
def result():
    """A prediction, a corrected cell, and ids up to 9 that were used."""
    made = Result((64, 64))
    cells = [square(0, 0, id=3), square(30, 30, id=5, status="corrected")]
    made.put((), Instances((64, 64), cells), keep_ids=True)
    made.reserve(9)
    return made


def apply(result, plan):
    result.categories = plan.categories
    history = History(result)
    history.do("import", plan.changes, regions=plan.regions)
    return history


def test_new_cells_get_new_ids(result):
    plan = merge(result, [record(square(0, 40, status="accepted"), square(12, 0, status="accepted"))])
    apply(result, plan)
    assert (plan.added, plan.replaced, plan.duplicates) == (2, 0, 0)
    assert result.plane(()).ids == [3, 5, 10, 11]


def test_a_persons_cell_replaces_the_prediction_under_its_id(result):
    plan = merge(result, [record(square(0, 1, status="accepted", source="x.json"))])
    history = apply(result, plan)
    assert (plan.added, plan.replaced, plan.duplicates) == (0, 1, 0)
    assert (result.get((), 3).x0, result.get((), 3).source) == (1, "x.json")
    history.undo()
    assert result.get((), 3).x0 == 0


def test_what_is_there_already_stays(result):
    incoming = [square(30, 30, status="accepted"), square(31, 30, status="accepted"), square(0, 0)]
    plan = merge(result, [record(*incoming)])
    assert (plan.changes, plan.duplicates) == ((), 3)


def test_merging_twice_changes_nothing_the_second_time(result, cells):
    newcomers = cells(n=12, overlap=0.5, shape=(64, 64), radius=6)
    theirs = record(*(replace(c, status="accepted") for c in newcomers), reviewed=((0, 0, 5, 5),))
    apply(result, merge(result, [theirs]))
    again = merge(result, [theirs])
    assert (again.changes, again.regions, again.duplicates) == ((), (), 12)


def test_overlapping_cells_are_not_duplicates(result):
    plan = merge(result, [record(square(2, 2, status="accepted"))])
    assert plan.added == 1


def test_an_empty_image_takes_ids_over():
    plan = merge(Result((64, 64)), [record(square(0, 0, id=41), square(30, 30, id=17))])
    assert [c.id for c in plan.changes] == [41, 17]


def test_categories_are_matched_by_name(result):
    assert merge_categories({1: "cell", 2: "bud"}, {1: "Bud", 2: "debris", 3: "CELL"}) == (
        {1: "cell", 2: "bud", 3: "debris"},
        {1: 2, 2: 3, 3: 1},
    )
    plan = merge(result, [record(square(0, 40, category=1), categories={1: "debris"})])
    assert plan.categories == {1: "cell", 2: "debris"}
    assert plan.changes[0].after.category == 2


def test_reviewed_regions_come_along_once(result):
    result.set_reviewed((), [(0, 0, 4, 4)])
    plan = merge(result, [record(reviewed=((0, 0, 4, 4), (5, 5, 6, 6)))])
    assert plan.regions[0].after == ((0, 0, 4, 4), (5, 5, 6, 6))


@pytest.mark.parametrize("change", [{"plane": (0,), "leading": (2,)}, {"shape": (64, 65)}])
def test_another_image_is_refused(result, change):
    with pytest.raises(BadAnnotations, match="Choose the right image"):
        merge(result, [replace(record(square(0, 0)), **change)])


def test_planes_of_a_stack(cells):
    result = Result((64, 64), leading=(2, 3))
    records = [record(square(0, 0), plane=(t, z), leading=(2, 3)) for t in (0, 1) for z in (0, 2)]
    plan = merge(result, records)
    apply(result, plan)
    assert sorted(result.planes) == [(0, 0), (0, 2), (1, 0), (1, 2)]
    assert len({c.id for c in plan.changes}) == 4
    with pytest.raises(BadAnnotations):
        merge(result, [record(plane=(0, 3), leading=(2, 4))])


def test_tracks_of_a_file_do_not_join_those_of_the_result(result):
    before = result.get((), 5)
    result.set((), 5, replace(before, track=4, parent=2))
    tracked = [square(0, 40, status="accepted", track=4), square(12, 0, status="accepted", track=1, parent=4)]
    apply(result, merge(result, [record(*tracked)]))
    assert sorted((c.track, c.parent) for c in result if c.status == "accepted") == [(5, 8), (8, 0)]
