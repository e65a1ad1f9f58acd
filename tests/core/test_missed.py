from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.core.missed import missed
from napari_centermask.core.result import Result


def square(id, y0, x0, *, side=10, **fields):
    return Instance(id, y0, x0, np.ones((side, side), bool), **fields)


@pytest.fixture
def result():
    """Threshold 0.5; cell 1 is shown, the others are too weak."""
    result = Result((100, 100), threshold=0.5)
    weak = [
        square(2, 10, 14, score=0.4),  # six tenths of it in cell 1
        square(3, 10, 16, score=0.3),  # four tenths of it in cell 1
        square(4, 50, 50, score=0.45),
        square(5, 50, 52, score=0.2),  # in cell 4
        square(6, 80, 80, score=0.4, status="rejected"),
    ]
    for cell in (square(1, 10, 10, score=0.9), *weak):
        result.set((), cell.id, cell)
    return result


def test_what_nothing_covers_is_missed_the_most_likely_first(result):
    assert [i.id for i in missed(result, ())] == [4, 3]


def test_accepted_and_rejected_cells_are_missed_no_more(result):
    result.set((), 4, replace(result.get((), 4), status="accepted"))
    result.set((), 3, replace(result.get((), 3), status="rejected"))
    assert missed(result, ()) == []  # 5 lies in the cell just accepted


def test_a_better_candidate_is_replaced_once_it_is_rejected(result):
    result.set((), 4, replace(result.get((), 4), status="rejected"))
    assert [i.id for i in missed(result, ())] == [3, 5]


def test_nothing_is_missed_without_candidates():
    assert missed(Result((10, 10)), ()) == []


def test_the_answer_equals_brute_force(cells):
    result = Result((256, 256), threshold=0.8)
    result.put((), cells(n=60, overlap=0.7, seed=3))
    shown, weak = np.zeros((256, 256), bool), []
    for cell in result:
        frame = np.zeros((256, 256), bool)
        frame[cell.box[0] : cell.box[2], cell.box[1] : cell.box[3]] = cell.mask
        if result.shows(cell):
            shown |= frame
        else:
            weak.append((cell, frame))
    expected = []
    for cell, frame in sorted((w for w in weak if (w[1] & shown).sum() <= w[1].sum() / 2), key=lambda w: -w[0].score):
        if all((frame & other).sum() <= frame.sum() / 2 for _, other in expected):
            expected.append((cell, frame))
    assert [i.id for i in missed(result, ())] == [cell.id for cell, _ in expected]
    assert expected


@pytest.mark.parametrize("within", [(0, 0, 90, 90), (100, 60, 180, 200), (255, 255, 256, 256)])
def test_a_part_of_the_plane_gives_the_same_cells_as_the_whole(cells, within):
    result = Result((256, 256), threshold=0.8)
    result.put((), cells(n=60, overlap=0.7, seed=4))
    y0, x0, y1, x1 = within
    expected = [i.id for i in missed(result, ()) if i.y0 < y1 and i.x0 < x1 and i.box[2] > y0 and i.box[3] > x0]
    assert [i.id for i in missed(result, (), within=within)] == expected
