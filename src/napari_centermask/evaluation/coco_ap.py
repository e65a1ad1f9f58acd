"""COCO average precision and recall of masks, from sparse IoUs; equal to pycocotools without full-size masks.

Source: the COCO detection evaluation (pycocotools, COCOeval): IoU .50:.05:.95, 101 recall points, greedy matching by score.
Detections inside a crowd region are ignored, as there: they are neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
"""Both as in COCO (https://cocodataset.org/#detection-eval)."""


@dataclass(frozen=True)
class ImageScores:
    """One image and category.

    Attributes
    ----------
    iou
        (predicted, truth) float64.
    scores
        (predicted,).
    inside
        (predicted,) part of each that lies in one crowd region; None for none.
    """

    iou: np.ndarray
    scores: np.ndarray
    inside: np.ndarray | None = None


def greedy_matches(image: ImageScores, max_detections: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (D,) of the best detections, and whether each is a true or a false positive at each threshold, (10, D) bool."""
    order = np.argsort(-image.scores, kind="mergesort")[:max_detections]
    iou = image.iou[order]
    hits = np.zeros((len(IOUS), len(order)), dtype=bool)
    if iou.size:
        for t, threshold in enumerate(np.minimum(IOUS, 1 - 1e-10)):
            free = np.ones(iou.shape[1], dtype=bool)
            for d in np.flatnonzero(iou.max(axis=1) >= threshold):
                row = np.where(free, iou[d], -1.0)
                best = len(row) - 1 - int(np.argmax(row[::-1]))  # COCOeval takes the last of several equal ones
                if row[best] >= threshold:
                    free[best] = False
                    hits[t, d] = True
    wrong = ~hits
    if image.inside is not None:
        wrong &= image.inside[order] < np.minimum(IOUS, 1 - 1e-10)[:, None]
    return image.scores[order], hits, wrong


def average_precision(images: list[ImageScores], max_detections: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Precision and recall of one category over all images.

    Returns
    -------
    precision : (10,) mean over the 101 recall points, per IoU threshold
    recall : (10,) largest recall
    None without annotated cells.
    """
    n_truth = sum(image.iou.shape[1] for image in images)
    if n_truth == 0:
        return None
    parts = [greedy_matches(image, max_detections) for image in images]
    order = np.argsort(-np.concatenate([scores for scores, _, _ in parts]), kind="mergesort")
    true = np.cumsum(np.concatenate([hits for _, hits, _ in parts], axis=1)[:, order], axis=1, dtype=float)
    false = np.cumsum(np.concatenate([wrong for _, _, wrong in parts], axis=1)[:, order], axis=1, dtype=float)
    precision, largest = np.zeros(len(IOUS)), np.zeros(len(IOUS))
    for t, (tp, fp) in enumerate(zip(true, false, strict=True)):
        if len(tp) == 0:
            continue
        recall = tp / n_truth
        envelope = np.maximum.accumulate((tp / (fp + tp + np.spacing(1)))[::-1])[::-1]
        where = np.searchsorted(recall, RECALLS, side="left")
        precision[t] = np.concatenate([envelope, [0.0]])[np.minimum(where, len(envelope))].mean()
        largest[t] = recall[-1]
    return precision, largest


def coco_scores(per_category: Mapping[str, list[ImageScores]], max_detections: int) -> dict[str, float | int | None]:
    """AP, AP50, AP75 and AR, means over the categories that occur; None if none does."""
    results = [r for images in per_category.values() if (r := average_precision(images, max_detections)) is not None]
    if not results:
        return {"AP": None, "AP50": None, "AP75": None, "AR": None, "maxDets": max_detections}
    precision = np.mean([p for p, _ in results], axis=0)
    recall = np.mean([r for _, r in results], axis=0)
    return {
        "AP": float(precision.mean()),
        "AP50": float(precision[0]),
        "AP75": float(precision[5]),
        "AR": float(recall.mean()),
        "maxDets": max_detections,
    }
