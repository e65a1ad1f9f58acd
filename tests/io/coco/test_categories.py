"""Categories of any ids get numbers from 1 and keep their names."""

import pytest

from napari_centermask.io.coco.categories import Categories, key_of
from napari_centermask.io.coco.report import ImportReport


def categories(listed, *used):
    report = ImportReport("a.json")
    items = [{"category_id": id} for id in used]
    return Categories(listed, items, report), items, report


@pytest.mark.parametrize(
    ("id", "key"), [(7, 7), ("7", 7), (7.0, 7), ("-1", -1), ("a7", "a7"), ("--1", "--1"), (True, None), ("", None)]
)
def test_ids_that_look_alike_are_one(id, key):
    assert key_of(id) == key


def test_ids_from_0_are_all_one_more():
    found, (first, second), report = categories([{"id": 0, "name": "a"}, {"id": "1", "name": "b"}], 0, 1.0)
    assert found.names == {1: "a", 2: "b"}
    assert (found.of(first, "x"), found.of(second, "y")) == (1, 2)
    assert list(report.repaired) == ["categories counted from 0, now from 1"]


def test_a_missing_category_is_clear_only_where_there_is_one():
    found, (item,), report = categories([{"id": 5, "name": "a"}], None)
    assert found.of(item, "x") == 5
    assert not report.refused
    found, (item,), report = categories([{"id": 5, "name": "a"}, {"id": 6, "name": "b"}], None)
    assert found.of(item, "x") is None
    assert report.n_refused == 1
