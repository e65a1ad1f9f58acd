"""Non-maximum suppression of boxes in about linear time.

Two boxes can only reach an IoU of t if their sides differ by less than 1 / t and their centres by less than
(1 - t) of the longer side. So boxes are sorted into octaves of size, and k-d trees of the centres list the pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

_BLOCK = 1024  # candidates compared with one another at once; bounds memory when thousands lie on one spot
_SMALLEST = 1e-3


@dataclass(frozen=True)
class SoftNms:
    """How soft suppression lowers scores (arXiv 1704.04503).

    "gaussian" multiplies by exp(-IoU^2 / sigma), "linear" by 1 - IoU where the IoU exceeds the NMS threshold.
    """

    method: Literal["gaussian", "linear"] = "gaussian"
    sigma: float = 0.5


def nms_boxes(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou: float) -> np.ndarray:
    """Greedy suppression within each class, as torchvision's `batched_nms`.

    Parameters
    ----------
    boxes
        (N, 4) float, x0, y0, x1, y1.
    scores
        (N,) float.
    classes
        (N,) int.
    iou
        A box whose IoU with a better kept box of its class exceeds this is dropped.

    Returns
    -------
    numpy.ndarray
        (K,) int64 indices of the kept boxes, best first; equal scores in their given order.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    if iou >= 1:
        return order
    boxes, classes = np.asarray(boxes, np.float64)[order], np.asarray(classes)[order]
    kept = np.zeros(0, np.int64)
    for start in range(0, len(order), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(order)))
        hit = _pairs_between(boxes, classes, kept, block, iou)[1]
        block = np.setdiff1d(block, hit, assume_unique=False)
        i, j = _pairs_between(boxes, classes, block, block, iou)
        kept = np.concatenate([kept, _greedy(block, i, j)])
    return order[kept]


def _greedy(members: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Members kept when i suppresses j for each pair, better (smaller) ones first; in rounds, not one by one."""
    size = int(members[-1]) + 1 if len(members) else 0
    undecided, keep = np.zeros(size, bool), np.zeros(size, bool)
    undecided[members] = True
    while undecided.any():
        free = undecided.copy()
        free[j] = False
        keep |= free
        undecided &= ~free
        undecided[j[free[i]]] = False
        open_pair = undecided[i] & undecided[j]
        i, j = i[open_pair], j[open_pair]
    return np.flatnonzero(keep)


def _pairs_between(
    boxes: np.ndarray, classes: np.ndarray, a: np.ndarray, b: np.ndarray, iou: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs i < j, i of `a`, j of `b`, of one class and with an IoU above `iou`; a and b are equal or all a < all b."""
    i, j = _near(boxes, a, b, iou)
    ordered = (i < j) & (classes[i] == classes[j])
    i, j = i[ordered], j[ordered]
    over = box_iou(boxes[i], boxes[j]) > iou
    return i[over], j[over]


def _near(boxes: np.ndarray, a: np.ndarray, b: np.ndarray, iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that may reach `iou`, and some that do not."""
    trees_a, trees_b = _octaves(boxes, a), _octaves(boxes, b)
    found = [np.zeros((2, 0), np.int64)]
    for ka, (members_a, tree_a) in trees_a.items():
        for kb, (members_b, tree_b) in trees_b.items():
            small, large = min(ka, kb), max(ka, kb)
            if iou > 0 and 2.0 ** (small + 1) < iou * 2.0**large:
                continue
            reach = min((1 - iou) * 2.0 ** (large + 1), 2.0**small + max(0.0, 0.5 - iou) * 2.0 ** (large + 1))
            near = tree_a.sparse_distance_matrix(tree_b, reach * (1 + 1e-9), p=np.inf, output_type="ndarray")
            found.append(np.stack([members_a[near["i"]], members_b[near["j"]]]))
    i, j = np.concatenate(found, axis=1)
    return i, j


def _octaves(boxes: np.ndarray, members: np.ndarray) -> dict[int, tuple[np.ndarray, cKDTree]]:
    """Boxes by the power of two of their longer side, with a tree of their centres."""
    some = boxes[members]
    longer = np.maximum(np.maximum(some[:, 2] - some[:, 0], some[:, 3] - some[:, 1]), _SMALLEST)
    octave = np.floor(np.log2(longer)).astype(np.int64)
    centres = (some[:, :2] + some[:, 2:]) / 2
    trees = {}
    for k in np.unique(octave):
        inside = octave == k
        trees[int(k)] = members[inside], cKDTree(centres[inside], balanced_tree=False, compact_nodes=False)
    return trees


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,) IoU of box a[n] with box b[n]; 0 for two empty boxes."""
    shared = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    inter = np.prod(np.maximum(shared, 0), axis=1)
    union = np.prod(a[:, 2:] - a[:, :2], axis=1) + np.prod(b[:, 2:] - b[:, :2], axis=1) - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def soft_nms(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, *, soft: SoftNms, min_score: float, iou: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Lower the scores of boxes that overlap better ones of their class.

    Parameters
    ----------
    boxes, scores, classes
        As in `nms_boxes`.
    min_score
        Boxes that fall below this are dropped; greater than 0 to end early.
    iou
        Where linear lowering begins.

    Returns
    -------
    keep : (K,) int64, best lowered score first
    lowered : (N,) float32 scores of all boxes
    """
    boxes = np.asarray(boxes, np.float64)
    lowered = np.asarray(scores, np.float64).copy()
    everyone = np.arange(len(boxes))
    least = iou if soft.method == "linear" else 0.0
    first, second = _pairs_between(boxes, np.asarray(classes), everyone, everyone, least)
    overlap = box_iou(boxes[first], boxes[second])
    factor = np.exp(-(overlap**2) / soft.sigma) if soft.method == "gaussian" else 1 - overlap
    i, j = np.concatenate([first, second]), np.concatenate([second, first])
    factor = np.tile(factor, 2)[np.argsort(i, kind="stable")]
    j, i = j[np.argsort(i, kind="stable")], np.sort(i)
    bounds = np.searchsorted(i, np.arange(len(boxes) + 1))
    return _lower(lowered, j, factor, bounds, min_score), lowered.astype(np.float32)


def _lower(scores: np.ndarray, j: np.ndarray, factor: np.ndarray, bounds: np.ndarray, min_score: float) -> np.ndarray:
    """Take the best box, lower its neighbours, and so on; changes `scores`, returns the order taken."""
    heap = [(-score, k) for k, score in enumerate(scores)]
    heapify(heap)
    done = np.zeros(len(scores), bool)
    taken = []
    while heap:
        negative, k = heappop(heap)
        if done[k] or -negative != scores[k]:
            continue  # an older entry of a box that was lowered since
        if scores[k] < min_score:
            break
        done[k] = True
        taken.append(k)
        part = slice(bounds[k], bounds[k + 1])
        waiting = ~done[j[part]]
        changed = j[part][waiting]
        scores[changed] *= factor[part][waiting]
        for neighbour in changed.tolist():
            if scores[neighbour] >= min_score:
                heappush(heap, (-scores[neighbour], neighbour))
    return np.array(taken, np.int64)
