"""Pairs of two lists at the lowest cost, by `scipy.optimize.linear_sum_assignment`.

Only pairs that are possible have costs, so the matrix falls into small ones: the connected components of the pairs.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def best_pairs(rows: np.ndarray, columns: np.ndarray, costs: np.ndarray, *, limit: float) -> np.ndarray:
    """The possible pairs that are chosen: each row and column at most once, with the smallest sum of costs.

    Parameters
    ----------
    rows, columns
        (n,) int, the pairs that are possible, each once.
    costs
        (n,) float. To leave a row and a column alone costs `limit`, so pairs that cost more are never chosen.

    Returns
    -------
    numpy.ndarray
        (m,) int, positions of the chosen pairs, rising.
    """
    useful = np.flatnonzero(costs < limit)
    if not useful.size:
        return useful
    own_rows, i = np.unique(rows[useful], return_inverse=True)
    own_columns, j = np.unique(columns[useful], return_inverse=True)
    n = len(own_rows) + len(own_columns)
    graph = coo_array((np.ones(len(useful)), (i, j + len(own_rows))), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component[i], kind="stable")
    ends = np.flatnonzero(np.diff(component[i][order], append=-1)) + 1
    chosen = [_chosen(i[part], j[part], useful[part], costs, limit) for part in np.split(order, ends[:-1])]
    return np.sort(np.concatenate(chosen))


def _chosen(i: np.ndarray, j: np.ndarray, pairs: np.ndarray, costs: np.ndarray, limit: float) -> np.ndarray:
    """The chosen pairs of one component."""
    if len(pairs) == 1:
        return pairs
    (_, row), (_, column) = (np.unique(k, return_inverse=True) for k in (i, j))
    gain = np.zeros((row.max() + 1, column.max() + 1))
    gain[row, column] = costs[pairs] - limit
    number = np.full(gain.shape, -1)
    number[row, column] = pairs
    best = number[linear_sum_assignment(gain)]
    taken: np.ndarray = best[best >= 0]
    return taken
