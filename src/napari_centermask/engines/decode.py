"""From dense outputs to boxes: thresholds, scores, suppression. One code for all engines, numpy only.

Source: FCOS, arXiv 1904.01355; score = sqrt(class probability x centerness) as in CenterMask2. Soft-NMS: arXiv 1704.04503.
"""

from __future__ import annotations

import heapq

import numpy as np
from scipy.spatial import cKDTree

from . import Detections, Features


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Logistic function without overflow, same dtype."""
    return 0.5 * (np.tanh(0.5 * x) + 1.0)


def locations(tile_shape: tuple[int, int], strides: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Points (L, 2) float32 x, y in pixels and level (L,) of all locations; ceil sizes above stride 32."""
    points, levels = [], []
    height, width = tile_shape
    for level, stride in enumerate(strides):
        rows, cols = -(-height // stride), -(-width // stride)
        y, x = np.divmod(np.arange(rows * cols, dtype=np.int64), cols)
        points.append(np.stack([x, y], axis=1) * stride + stride // 2)
        levels.append(np.full(rows * cols, level))
    return np.concatenate(points).astype(np.float32), np.concatenate(levels)


def detect(
    features: Features,
    card,
    *,
    score: float = 0.0,
    nms: float = 0.6,
    index: int = 0,
    probability: float = 0.05,
    max_detections: int | None = None,
    pre_nms_topk: int | None = None,
) -> Detections:
    """Boxes of one tile.

    Parameters
    ----------
    features
        From an engine.
    card
        The model card; only its `strides` are used.
    score
        Least final score.
    nms
        Boxes of one class that overlap more (IoU) are one cell.
    index
        Which tile of the batch.
    probability
        A class probability must be above this, before it is multiplied with the centerness; 0.05 in the reference.
    max_detections
        Most boxes kept after suppression, more only where scores tie; 50 in the reference, unlimited when not given.
    pre_nms_topk
        Most candidates of each level before suppression; 1000 in the reference, unlimited when not given.
    """
    logits = features.logits[index]
    least = max(probability, score * score)  # score^2 = probability x centerness <= probability
    if least > 0:
        where, classes = np.nonzero(logits > np.log(least) - np.log1p(-min(least, 1 - 1e-7)))
    else:
        where, classes = np.indices(logits.shape).reshape(2, -1)
    raw = sigmoid(logits[where, classes]) * sigmoid(features.centerness[index][where])
    chosen = np.flatnonzero(raw >= score * score)
    points, levels = locations(features.tile_shape, card.strides)
    if pre_nms_topk is not None:
        chosen = _top_per_level(chosen, raw, levels[where], pre_nms_topk)
    where, classes, scores = where[chosen], classes[chosen], np.sqrt(raw[chosen])
    reach = features.ltrb[index][where]
    boxes = np.concatenate([points[where] - reach[:, :2], points[where] + reach[:, 2:]], axis=1)
    kept = nms_boxes(boxes, scores, classes, nms)
    if max_detections is not None and len(kept) > max_detections:
        kept = kept[scores[kept] >= scores[kept[max_detections - 1]]]
    return Detections(boxes[kept], scores[kept], classes[kept].astype(np.int64))


def _top_per_level(chosen: np.ndarray, raw: np.ndarray, levels: np.ndarray, count: int) -> np.ndarray:
    parts = []
    for level in np.unique(levels[chosen]):
        part = chosen[levels[chosen] == level]
        parts.append(part[np.argsort(-raw[part], kind="stable")[:count]])
    return np.concatenate(parts) if parts else chosen


def overlapping_pairs(boxes: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of boxes with IoU above `least`, found in time linear in boxes and neighbours.

    Two such boxes have sides within a factor `least`, and centres within (1 - least) of the longer side. So boxes are
    looked up by size, octave by octave.

    Parameters
    ----------
    boxes
        (N, 4) x0, y0, x1, y1.
    least
        IoU in (0, 1].

    Returns
    -------
    pairs : (P, 2) int64, each pair once
    iou : (P,) float32
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area = width * height
    usable = np.flatnonzero((width > 0) & (height > 0))
    octave = np.floor(np.log2(np.maximum(width, height)[usable])).astype(int)
    centre = (boxes[usable, :2] + boxes[usable, 2:]) / 2
    reach = int(np.ceil(-np.log2(least)))
    found = [np.empty((0, 2), np.int64)]
    for largest in np.unique(octave):
        group = np.flatnonzero((octave <= largest) & (octave >= largest - reach))
        pairs = cKDTree(centre[group]).query_pairs(2.0 ** (largest + 1) * (1 - least), p=np.inf, output_type="ndarray")
        pairs = group[pairs]
        found.append(pairs[(octave[pairs] == largest).any(axis=1)])
    pairs = usable[np.concatenate(found)]
    a, b = boxes[pairs[:, 0]], boxes[pairs[:, 1]]
    side = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    shared = np.maximum(side, 0).prod(axis=1)
    iou = shared / (area[pairs[:, 0]] + area[pairs[:, 1]] - shared)
    close = iou > least
    return pairs[close], iou[close]


def nms_boxes(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou: float) -> np.ndarray:
    """Greedy suppression per class.

    Parameters
    ----------
    boxes, scores, classes
        (N, 4), (N,), (N,).
    iou
        A box that overlaps a better one of its class by more is dropped.

    Returns
    -------
    (K,) int64
        Indices of the kept boxes, best first; the earlier one wins a tie.
    """
    order = np.argsort(-scores, kind="stable")
    pairs, _ = overlapping_pairs(boxes, iou)
    pairs = pairs[classes[pairs[:, 0]] == classes[pairs[:, 1]]]
    return order[greedy(pairs, order)]


def greedy(pairs: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Which ranks survive when each item, best first, drops its lower partners.

    Parameters
    ----------
    pairs
        (P, 2) items that exclude each other.
    order
        (N,) items, best first.

    Returns
    -------
    (K,) int64
        Ranks, ascending: positions in `order`.
    """
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    better, worse = np.sort(rank[pairs], axis=1).T
    undecided = np.ones(len(order), dtype=bool)
    kept = np.zeros(len(order), dtype=bool)
    while undecided.any():
        free = undecided.copy()
        free[worse] = False  # an undecided better partner may still drop it
        kept |= free
        undecided &= ~free
        undecided[worse[free[better]]] = False
        open_ = undecided[better] & undecided[worse]
        better, worse = better[open_], worse[open_]
    return np.flatnonzero(kept)


def soft_nms(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, *, sigma: float = 0.5, least: float = 0.05
) -> np.ndarray:
    """Gaussian soft-NMS: overlapping boxes lose score instead of being dropped.

    Parameters
    ----------
    sigma
        A better box of the same class with IoU u multiplies the score by exp(-u^2 / sigma).
    least
        Overlaps below this IoU are left out.

    Returns
    -------
    (N,) float
        The new scores, in the order given.
    """
    pairs, iou = overlapping_pairs(boxes, least)
    same = classes[pairs[:, 0]] == classes[pairs[:, 1]]
    neighbours: list[list[tuple[int, float]]] = [[] for _ in scores]
    for (a, b), factor in zip(pairs[same], np.exp(-(iou[same] ** 2) / sigma), strict=True):
        neighbours[a].append((b, factor))
        neighbours[b].append((a, factor))
    result = scores.astype(float)
    done = np.zeros(len(scores), dtype=bool)
    heap = [(-s, i) for i, s in enumerate(result)]
    heapq.heapify(heap)
    while heap:
        negative, i = heapq.heappop(heap)
        if done[i] or -negative != result[i]:
            continue  # an entry from before the score fell
        done[i] = True
        for j, factor in neighbours[i]:
            if not done[j]:
                result[j] *= factor
                heapq.heappush(heap, (-result[j], j))
    return result
