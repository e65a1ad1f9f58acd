"""The truth behind the layers; no viewer is needed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result


def squares(*corners, shape=(40, 40), score=0.9) -> Instances:
    cells = Instances(shape)
    for y, x in corners:
        cells.add(Instance(0, y, x, np.ones((6, 6), bool), score=score))
    return cells


def test_ids_are_unique_over_planes_and_never_used_again():
    result = Result((40, 40), leading=(2,))
    result.put((0,), squares((1, 1), (20, 20)))
    result.put((1,), squares((1, 1)))
    assert [i.id for i in result] == [1, 2, 3]
    result.put((0,), squares((5, 5)))
    assert sorted(i.id for i in result) == [3, 4]


def test_the_threshold_hides_and_never_deletes():
    result = Result((40, 40), threshold=0.95)
    result.put((), squares((1, 1)))
    assert len(result.visible(())) == 0
    assert len(result) == 1
    result.threshold = 0.5
    assert len(result.visible(())) == 1


def test_cells_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="40, 40"):
        Result((40, 40)).put((), squares((1, 1), shape=(30, 30)))


def test_the_table_has_a_row_for_each_candidate_and_planes_only_for_stacks():
    result = Result((40, 40))
    result.put((), squares((1, 1), (20, 20)))
    assert "plane" not in result.table()
    assert result.table()["area"] == [36, 36]
    assert list(Result((4, 4)).table()["index"]) == []


def test_where_images_share_categories_new_cells_join_them_by_name():
    result = Result((20, 20))
    result.named_categories = True
    result.categories = {1: "cell", 2: "dead"}
    assert result.join_categories((), {1: "living", 2: "cell", 5: "debris"}) == {1: 6, 2: 1, 5: 5}
    assert result.categories == {1: "cell", 2: "dead", 5: "debris", 6: "living"}
    assert result.plane(()).categories == result.categories
    assert result.join_categories((), {1: "dead"}) == {1: 2}


def test_the_only_category_of_a_model_is_the_only_one_of_the_project_whatever_it_is_called():
    result = Result((8, 8))
    result.categories, result.named_categories = {3: "mitosis"}, True
    assert result.join_categories((), {1: "nucleus"}) == {1: 3}
    assert result.categories == {3: "mitosis"}
