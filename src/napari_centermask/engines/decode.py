"""From dense network outputs to boxes: shared by all engines, numpy and scipy only.

FCOS decoding (arXiv 1904.01355, section 3) and non-maximum suppression. The reference's behaviour, items 9 to 12 of
the goldens' notes, is `detect(..., score=0.05, nms=0.6, threshold="class", pre_nms_topk=1000, max_detections=50)`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from napari_centermask.engines import Detections, Features, RegionFeatures
from napari_centermask.engines.suppress import SoftNms, best_of, nms_boxes, soft_nms
from napari_centermask.models.store.card import ModelCard

Threshold = Literal["score", "class"]

REACH = 4  # tiles that a box may reach beyond its location; a choice, far beyond any cell that is seen in a tile
_SLACK = 1e-3  # of the logits in a first sieve, which is exact below; more than float32 rounds them by


def detect(
    features: Features,
    card: ModelCard,
    *,
    score: float,
    nms: float,
    index: int = 0,
    max_detections: int | None = None,
    pre_nms_topk: int | None = None,
    threshold: Threshold = "score",
    soft: SoftNms | None = None,
    across: bool = False,
) -> Detections:
    """Boxes of one tile, duplicates removed.

    Parameters
    ----------
    card
        The model's card; only its `strides` and `rates_boxes` are read.
    score
        Lowest score, see `threshold`.
    nms
        Boxes of one class whose IoU with a better one exceeds this are dropped; 1 keeps all.
    index
        Tile within the batch.
    max_detections
        Largest number of boxes; ties with the last one are also returned, as in the reference.
    pre_nms_topk
        Largest number of candidates per level; by default all.
    threshold
        "score": at least `score` after centerness, so that filtering later gives the same boxes.
        "class": the class probability alone exceeds `score`, as in the reference.
    soft
        Lower the scores of overlapping boxes instead of dropping them; `nms` is then only used if linear.
    across
        Boxes also suppress those of other classes, as a cell has one category; the reference does not.
    """
    boxes, scores, classes, rows = _candidates(
        features, card, score=score, index=index, pre_nms_topk=pre_nms_topk, threshold=threshold
    )
    groups = np.zeros_like(classes) if across else classes
    if soft is not None:
        keep, scores = soft_nms(boxes, scores, groups, soft=soft, min_score=score, iou=nms)
        keep = best_of(keep, scores, max_detections)
    else:
        keep = nms_boxes(boxes, scores, groups, nms, most=max_detections)
    return Detections(boxes[keep], scores[keep], classes[keep], class_probabilities(features, rows[keep], index=index))


def detect_regions(
    features: RegionFeatures, *, score: float, nms: float, index: int = 0, max_detections: int | None = None
) -> Detections:
    """Boxes of one tile of a network that finds cells in two steps; boxes suppress those of other categories too.

    Parameters are those of `detect`.
    """
    found = features.found[index]
    found = found[found.scores >= score]
    keep = nms_boxes(found.boxes, found.scores, np.zeros_like(found.classes), nms, most=max_detections)
    return found[keep[:max_detections]]


def class_probabilities(features: Features, rows: np.ndarray, *, index: int = 0) -> np.ndarray:
    """Probabilities of the categories at some locations: the sigmoids of the class logits, divided by their sum.

    Returns
    -------
    numpy.ndarray
        (len(rows), categories) float32; (len(rows), 0) for a single category.
    """
    logits = features.logits[index][rows]
    if logits.shape[1] == 1:
        return np.zeros((len(rows), 0), np.float32)
    single = np.maximum(sigmoid(logits), np.finfo(np.float32).tiny)
    shares: np.ndarray = single / single.sum(axis=1, keepdims=True)
    return shares


def candidates(
    features: Features,
    card: ModelCard,
    *,
    score: float,
    index: int = 0,
    pre_nms_topk: int | None = None,
    threshold: Threshold = "score",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes of one tile before suppression; parameters as in `detect`.

    Returns
    -------
    boxes : (K, 4) float32, no edge farther from its location than four tiles are long
    scores : (K,) float32, sqrt(class probability x centerness), or the class probability if the model does not rate boxes
    classes : (K,) int64
    """
    return _candidates(features, card, score=score, index=index, pre_nms_topk=pre_nms_topk, threshold=threshold)[:3]


def _candidates(
    features: Features, card: ModelCard, *, score: float, index: int, pre_nms_topk: int | None, threshold: Threshold
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """As `candidates`, with (K,) the locations that they come from."""
    logits = features.logits[index]
    lowest = score * score if threshold == "score" and card.rates_boxes else score
    rows, classes = np.nonzero(logits > _logit(lowest) - _SLACK)
    probability = sigmoid(logits[rows, classes])
    product = probability * (sigmoid(features.centerness[index][rows]) if card.rates_boxes else probability)
    kept = np.sqrt(product) >= score if threshold == "score" else probability > score
    rows, classes, product = rows[kept], classes[kept], product[kept]
    centres, levels = locations(features.tile_shape, card.strides)
    if pre_nms_topk is not None:
        top = _top_per_level(product, levels[rows], pre_nms_topk)
        rows, classes, product = rows[top], classes[top], product[top]
    # Corrupt weights give enormous boxes, and the mask heads sample a box's whole area: minutes for a single one.
    ltrb = np.fmin(features.ltrb[index][rows], REACH * max(features.tile_shape))
    boxes = np.concatenate([centres[rows] - ltrb[:, :2], centres[rows] + ltrb[:, 2:]], axis=1)
    return boxes.astype(np.float32), np.sqrt(product), classes.astype(np.int64), rows


def locations(tile_shape: tuple[int, int], strides: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Centres of all locations, in the order of `Features.logits`.

    The levels halve with rounding up, as stride-2 convolutions do.

    Returns
    -------
    centres : (L, 2) float32, x, y in network pixels
    levels : (L,) int64, index into `strides`
    """
    centres, levels = [], []
    for level, stride in enumerate(strides):
        height, width = (-(-side // stride) for side in tile_shape)
        y, x = np.mgrid[:height, :width].reshape(2, -1).astype(np.float32) * stride + stride // 2
        centres.append(np.stack([x, y], axis=1))
        levels.append(np.full(height * width, level))
    return np.concatenate(centres), np.concatenate(levels)


def _top_per_level(product: np.ndarray, levels: np.ndarray, count: int) -> np.ndarray:
    """Indices of the best `count` of each level, level by level."""
    chosen = []
    for level in np.unique(levels):
        members = np.flatnonzero(levels == level)
        if len(members) > count:
            members = members[np.argsort(-product[members], kind="stable")[:count]]
        chosen.append(members)
    return np.concatenate(chosen) if chosen else np.zeros(0, np.int64)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Probabilities of logits, float32 of the same shape."""
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-x.astype(np.float32, copy=False)))


def _logit(p: float) -> float:
    if p <= 0:
        return -np.inf
    return np.inf if p >= 1 else float(np.log(p / (1 - p)))
