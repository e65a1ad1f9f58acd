import itertools

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation.matching import covered_fraction, match, pair


def square(y, x, side, id):
    return Instance(id=id, y0=y, x0=x, mask=np.ones((side, side), bool))


def test_iou_of_hand_drawn_squares():
    pairs = pair([square(0, 0, 4, 1)], [square(0, 2, 4, 1), square(20, 20, 4, 2)])
    assert pairs.iou.tolist() == [8 / 24]
    assert pairs.shared.tolist() == [8]


def _full(cell, shape):
    frame = np.zeros(shape, bool)
    y0, x0, y1, x1 = cell.box
    frame[y0:y1, x0:x1] = cell.mask
    return frame


def test_sparse_iou_equals_brute_force_on_overlapping_cells(cells):
    truth, predicted = cells(n=15, overlap=0.6, seed=1), cells(n=14, overlap=0.6, seed=2)
    a, b = ([_full(c, s.shape) for c in s] for s in (truth, predicted))
    expected = np.array([[(p & t).sum() / (p | t).sum() for t in a] for p in b])
    assert np.allclose(pair(list(truth), list(predicted)).dense(), expected)


@pytest.mark.parametrize("seed", range(10))
def test_matching_is_the_largest_possible(seed):
    rng = np.random.default_rng(seed)
    truth = [square(int(y), int(x), 6, i) for i, (y, x) in enumerate(rng.integers(0, 9, (5, 2)), 1)]
    predicted = [square(int(y), int(x), 6, i) for i, (y, x) in enumerate(rng.integers(0, 9, (5, 2)), 1)]
    pairs = pair(truth, predicted)
    good = pairs.dense() >= 0.4
    most = max(sum(good[p, t] for t, p in enumerate(order)) for order in itertools.permutations(range(5)))
    t, p, iou = match(pairs, 0.4)
    assert len(t) == most
    assert len(set(t.tolist())) == len(t) == len(set(p.tolist()))
    assert (iou >= 0.4).all()


def test_covered_fraction_counts_each_pixel_once():
    cells = Instances((20, 20), [square(0, 0, 4, 1), square(0, 2, 4, 2), square(2, 2, 4, 3), square(12, 12, 3, 4)])
    assert covered_fraction(cells).tolist() == [8 / 16, 12 / 16, 8 / 16, 0.0]
