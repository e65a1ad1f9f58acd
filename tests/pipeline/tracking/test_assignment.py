"""The cheapest pairs, compared with a search through all."""

from itertools import combinations

import numpy as np
import pytest

from napari_centermask.pipeline.tracking.assignment import best_pairs


def cheapest(rows, columns, costs, limit):
    """The smallest sum of costs, where each row and column that is left alone costs half of the limit, by brute force."""
    best = 0.0
    for n in range(1, len(costs) + 1):
        for chosen in map(list, combinations(range(len(costs)), n)):
            if len(set(rows[chosen])) == len(set(columns[chosen])) == n:
                best = min(best, float((costs[chosen] - limit).sum()))
    return best


@pytest.mark.parametrize("seed", range(30))
def test_the_pairs_cost_as_little_as_any(seed):
    rng = np.random.default_rng(seed)
    all_pairs = rng.permutation([(i, j) for i in range(4) for j in range(5)])[:10]
    rows, columns, costs = all_pairs[:, 0], all_pairs[:, 1], rng.random(10)
    best = best_pairs(rows, columns, costs, limit=0.6)
    assert len(set(rows[best])) == len(set(columns[best])) == len(best)
    assert (costs[best] < 0.6).all()
    assert (costs[best] - 0.6).sum() == pytest.approx(cheapest(rows, columns, costs, 0.6))


def test_nothing_possible_gives_no_pairs():
    none = np.zeros(0, int)
    assert best_pairs(none, none, np.zeros(0), limit=1).size == 0
    assert best_pairs(np.array([0]), np.array([0]), np.array([2.0]), limit=1).size == 0
