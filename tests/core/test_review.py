from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core import review
from napari_centermask.core.columns import Columns
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result


def disc(id, y, x, radius=8, **fields):
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return Instance.from_mask(np.hypot(yy, xx) <= radius, (y - radius, x - radius), id=id, **fields)


def columns_of(*cells, shape=(200, 200), threshold=0.3):
    result = Result(shape, threshold=threshold)
    result.put((), Instances(shape, cells), keep_ids=True)
    return Columns(result)


def ids(columns, rows):
    return columns.data["id"][rows].tolist()


@pytest.mark.parametrize(
    ("doubtful", "said"),
    [
        (disc(1, 50, 50, score=0.35), "low score (0.35)"),
        (disc(1, 50, 50, mask_quality=0.4), "low mask quality (0.40)"),
        (disc(1, 150, 158), "50% shared with other cells"),
        (Instance(1, 40, 40, np.eye(30, dtype=bool) | np.eye(30, dtype=bool)[::-1]), "odd shape"),
        (disc(1, 50, 8), "cut by a border or a seam"),
        (disc(1, 50, 91), "cut by a border or a seam"),
    ],
    ids=["score", "mask quality", "overlap", "shape", "border", "seam"],
)
def test_each_ground_puts_its_cell_first_and_is_said(doubtful, said):
    columns = columns_of(disc(2, 150, 150, radius=16), disc(3, 100, 30), disc(4, 30, 150), doubtful)
    columns.result.seams[()] = ((), (100.0,))
    rows = review.order(columns, columns.alive())
    assert ids(columns, rows)[0] == 1
    assert said.partition("%")[2] in review.reason(columns, columns.row(1))
    assert review.reason(columns, columns.row(3)) == ""


def test_reason_names_numbers():
    columns = columns_of(disc(1, 50, 50, score=0.35), disc(2, 50, 58))
    said = review.reason(columns, columns.row(1))
    assert said.startswith("low score (0.35), ")
    assert said.endswith("shared with other cells")


def test_doubts_lie_in_0_to_1_and_grow_with_each_ground():
    sure = disc(1, 50, 50)
    columns = columns_of(sure, replace(sure, id=2, y0=100, score=0.5), replace(sure, id=3, y0=150, score=0.5, x0=0))
    values = review.doubts(columns, [columns.row(k) for k in (1, 2, 3)])
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values[0] < values[1] < values[2] <= 1


def test_seams_of_other_planes_do_not_count():
    result = Result((200, 200), leading=(2,))
    for plane in range(2):
        result.put((plane,), Instances((200, 200), [disc(0, 50, 91)]))
    result.seams[(0,)] = ((), (100.0,))
    columns = Columns(result)
    cut = review.grounds(columns, columns.alive())["cut"]
    assert dict(zip(ids(columns, columns.alive()), cut, strict=True)) == {1: 1, 2: 0}


def test_equal_doubts_go_by_id():
    columns = columns_of(*(disc(k, 20 * k, 100) for k in (5, 3, 1, 2)))
    assert ids(columns, review.order(columns, columns.alive())) == [1, 2, 3, 5]


def test_progress_counts_what_was_judged_and_not_what_is_hidden():
    columns = columns_of(
        disc(1, 20, 20, status="accepted", score=0.1),
        disc(2, 60, 20, status="corrected"),
        disc(3, 100, 20, status="rejected"),
        disc(4, 140, 20),
        disc(5, 180, 20, score=0.1),
    )
    progress = review.count_reviewed(columns)
    assert progress == review.ReviewCount(3, 4)
    assert str(progress) == "3 of 4 reviewed"
    assert ids(columns, review.unreviewed(columns, columns.alive())) == [4]


def test_nothing_to_review():
    columns = columns_of()
    assert len(review.order(columns, columns.alive())) == 0
    assert str(review.count_reviewed(columns)) == "0 of 0 reviewed"


def test_the_queue_visits_the_most_doubtful_first():
    cells = [disc(k, 30 * k, 100, score=score) for k, score in ((1, 0.9), (2, 0.4), (3, 0.6), (4, 0.8))]
    assert review.queue(columns_of(*cells)) == [2, 3, 4, 1]


def test_a_judged_cell_keeps_its_place_while_it_is_in_view():
    scores = {1: 0.4, 2: 0.5, 3: 0.6}
    status = {2: "accepted"}
    columns = columns_of(*(disc(k, 50 * k, 100, score=s, status=status.get(k, "predicted")) for k, s in scores.items()))
    assert review.queue(columns) == [1, 3]
    assert review.queue(columns, 2) == [1, 2, 3]
    assert review.queue(columns, 77) == [1, 3]


def test_the_queue_ends_when_all_is_judged():
    columns = columns_of(disc(1, 50, 50, status="accepted"))
    assert review.queue(columns) == []
    assert review.queue(columns, 1) == []


def test_without_measuring_what_is_not_known_counts_as_good():
    columns = columns_of(disc(1, 50, 50), disc(2, 50, 58))
    assert review.doubts(columns, columns.alive(), measure=False).max() == pytest.approx(0, abs=1e-6)
    assert np.isnan(columns.data["overlap"][columns.alive()]).all()
    assert review.doubts(columns, columns.alive()).min() > 0.2


def test_the_queue_can_start_with_the_most_useful_cells():
    wrong, unsure, sure = disc(1, 50, 50, score=0.35), disc(2, 100, 100, score=0.5), disc(3, 150, 50)
    columns = columns_of(wrong, unsure, sure, disc(4, 150, 150, score=0.5, status="accepted"))
    assert review.queue(columns) == [1, 2, 3]
    assert review.queue(columns, by="training_value") == [2, 1, 3]
