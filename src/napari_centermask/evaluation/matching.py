"""Match predicted with annotated cells; masks may overlap in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_centermask.core.instances import Instance, Instances, boxes_of, intersection

_CHUNK = 1024  # cells compared with all others at once: a choice that limits memory, some 40 MB where there are 1,000


@dataclass(frozen=True)
class Pairs:
    """All pairs of an annotated and a predicted cell that share a pixel.

    Attributes
    ----------
    truth, predicted
        (P,) positions in the two lists.
    iou
        (P,) float64.
    shared
        (P,) pixels in both.
    n_truth, n_predicted
        Lengths of the lists.
    """

    truth: np.ndarray
    predicted: np.ndarray
    iou: np.ndarray
    shared: np.ndarray
    n_truth: int
    n_predicted: int

    def dense(self) -> np.ndarray:
        """(predicted, truth) float64 matrix of IoUs."""
        matrix = np.zeros((self.n_predicted, self.n_truth))
        matrix[self.predicted, self.truth] = self.iou
        return matrix

    def at_least(self, iou: float) -> Pairs:
        """Only pairs with at least this IoU."""
        return self._only(self.iou >= iou)

    def of_predicted(self, some: np.ndarray) -> Pairs:
        """Only pairs of some predicted cells, (predicted,) bool."""
        return self._only(some[self.predicted])

    def _only(self, some: np.ndarray) -> Pairs:
        parts = (self.truth[some], self.predicted[some], self.iou[some], self.shared[some])
        return Pairs(*parts, self.n_truth, self.n_predicted)


def pair(truth: list[Instance], predicted: list[Instance]) -> Pairs:
    """Pairs of cells whose masks overlap; only those whose boxes overlap are compared."""
    rows, cols = _touching(boxes_of(truth), boxes_of(predicted))
    shared = np.array([intersection(truth[r], predicted[c]) for r, c in zip(rows, cols, strict=True)], dtype=np.int64)
    rows, cols, shared = (a[shared > 0] for a in (rows, cols, shared))
    area_t, area_p = (np.array([i.area for i in cells], dtype=np.int64) for cells in (truth, predicted))
    iou = shared / (area_t[rows] + area_p[cols] - shared)
    return Pairs(rows, cols, iou, shared, len(truth), len(predicted))


def inside_any(cells: list[Instance], regions: Sequence[Instance]) -> np.ndarray:
    """(N,) largest part of each cell's area that lies in one of the regions."""
    inside = np.zeros(len(cells))
    for region in regions:
        for n, cell in enumerate(cells):
            inside[n] = max(inside[n], intersection(region, cell) / cell.area)
    return inside


def pair_boxes(truth: list[Instance], predicted: list[Instance]) -> Pairs:
    """Like `pair`, with boxes instead of masks, for data with poor masks."""
    a, b = boxes_of(truth), boxes_of(predicted)
    rows, cols = _touching(a, b)
    sides = np.minimum(a[rows, 2:], b[cols, 2:]) - np.maximum(a[rows, :2], b[cols, :2])
    shared = sides.prod(axis=1)
    areas = (a[:, 2:] - a[:, :2]).prod(axis=1)[rows] + (b[:, 2:] - b[:, :2]).prod(axis=1)[cols]
    return Pairs(rows, cols, shared / (areas - shared), shared, len(truth), len(predicted))


def _touching(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(a), _CHUNK):
        part = a[start : start + _CHUNK, None]
        low = np.maximum(part[..., :2], b[None, :, :2])
        high = np.minimum(part[..., 2:], b[None, :, 2:])
        r, c = np.nonzero((low < high).all(axis=2))
        rows.append(r + start)
        cols.append(c)
    return np.concatenate(rows), np.concatenate(cols)


def match(pairs: Pairs, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One-to-one matching of cells with an IoU of at least `threshold`.

    As many pairs as possible and, among those, the largest sum of IoUs (Hungarian method, as in StarDist and Cellpose).

    Returns
    -------
    truth, predicted, iou
        (M,) arrays of the matched pairs.
    """
    good = pairs.iou >= threshold
    t, p, iou = pairs.truth[good], pairs.predicted[good], pairs.iou[good]
    if len(t) == 0:
        return t, p, iou
    n = pairs.n_truth + pairs.n_predicted
    _, group = connected_components(coo_array((np.ones(len(t)), (t, p + pairs.n_truth)), shape=(n, n)), directed=False)
    edge_group = group[t]
    order = np.argsort(edge_group, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(edge_group[order])) + 1)
    chosen = np.concatenate([edges if len(edges) == 1 else _assign(t, p, iou, edges) for edges in groups])
    return t[chosen], p[chosen], iou[chosen]


def _assign(t: np.ndarray, p: np.ndarray, iou: np.ndarray, edges: np.ndarray) -> np.ndarray:
    rows, r = np.unique(t[edges], return_inverse=True)
    cols, c = np.unique(p[edges], return_inverse=True)
    gain = np.zeros((len(rows), len(cols)))
    number = np.full(gain.shape, -1)
    gain[r, c] = 1.0 + iou[edges] / (2.0 * len(edges))  # one more pair beats any gain in IoU
    number[r, c] = edges
    partner = number[linear_sum_assignment(gain, maximize=True)]
    return partner[partner >= 0]


def covered_fraction(instances: Instances) -> np.ndarray:
    """(N,) fraction of each cell's area that it shares with other cells."""
    cells = list(instances)
    rows, cols = _touching(boxes_of(cells), boxes_of(cells))
    covered = [np.zeros(cell.mask.shape, bool) for cell in cells]
    for i, j in zip(rows, cols, strict=True):
        if i == j:
            continue
        a, b = cells[i], cells[j]
        y0, x0 = max(a.y0, b.y0), max(a.x0, b.x0)
        y1, x1 = min(a.box[2], b.box[2]), min(a.box[3], b.box[3])
        window = covered[i][y0 - a.y0 : y1 - a.y0, x0 - a.x0 : x1 - a.x0]
        window |= b.mask[y0 - b.y0 : y1 - b.y0, x0 - b.x0 : x1 - b.x0]
    return np.array([np.count_nonzero(c & cell.mask) / cell.area for c, cell in zip(covered, cells, strict=True)])
