"""Non-maximum suppression of boxes in about linear time."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Literal

import numpy as np

from napari_centermask.core.neighbours import box_iou, near_pairs

# Candidates compared with one another at once. 20,000 spread out take 270 ms, and 4,000 on one spot 120 ms; with blocks of
# 256 these are 670 and 12 ms, with 4,096 130 and 2,400 ms (scripts/benchmarks/limits.py).
_BLOCK = 1024


@dataclass(frozen=True)
class SoftNms:
    """How soft suppression lowers scores (arXiv 1704.04503).

    "gaussian" multiplies by exp(-IoU^2 / sigma), "linear" by 1 - IoU where the IoU exceeds the NMS threshold. The paper
    uses a sigma of 0.5 and a threshold of 0.3.
    """

    method: Literal["gaussian", "linear"] = "gaussian"
    sigma: float = 0.5


def nms_boxes(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou: float, *, most: int | None = None
) -> np.ndarray:
    """Greedy suppression within each class, like torchvision's `batched_nms`.

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
    most
        How many of the best are needed, at least 1; by default all. Those with the score of the last one are kept, too, and
        worse ones are not looked for.

    Returns
    -------
    numpy.ndarray
        (K,) int64 indices of the kept boxes, best first; equal scores in their given order.
    """
    scores = np.asarray(scores)
    order = np.argsort(-scores, kind="stable")
    if iou >= 1:
        return best_of(order, scores, most)
    boxes, classes = np.asarray(boxes, np.float64)[order], np.asarray(classes)[order]
    kept = np.zeros(0, np.int64)
    for start in range(0, len(order), _BLOCK):
        if most is not None and len(kept) >= most and scores[order[start]] < scores[order[kept[most - 1]]]:
            break
        block = np.arange(start, min(start + _BLOCK, len(order)))
        hit = _pairs_between(boxes, classes, kept, block, iou)[1]
        block = np.setdiff1d(block, hit, assume_unique=False)
        i, j = _pairs_between(boxes, classes, block, block, iou)
        kept = np.concatenate([kept, _greedy(block, i, j)])
    return best_of(order[kept], scores, most)


def best_of(kept: np.ndarray, scores: np.ndarray, most: int | None) -> np.ndarray:
    """The first `most` of some indices, best first, and those with the score of the last of them; all without `most`."""
    return kept if most is None or len(kept) <= most else kept[scores[kept] >= scores[kept[most - 1]]]


def _greedy(members: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Members that are kept if i suppresses j for each pair, better (smaller) ones first; in rounds, not one by one."""
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
    i, j = near_pairs(boxes, a, b, iou=iou)
    ordered = (i < j) & (classes[i] == classes[j])
    i, j = i[ordered], j[ordered]
    over = box_iou(boxes[i], boxes[j]) > iou
    return i[over], j[over]


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
    """Repeatedly take the best box and lower its neighbours; changes `scores`, returns the order."""
    heap = [(-score, k) for k, score in enumerate(scores)]
    heapify(heap)
    done = np.zeros(len(scores), bool)
    taken = []
    while heap:
        negative, k = heappop(heap)
        if done[k] or -negative != scores[k]:
            continue  # an outdated entry of a box whose score was lowered since
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
