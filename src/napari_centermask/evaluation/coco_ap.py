"""COCO average precision and recall of masks, from sparse IoUs; equal to pycocotools without full-size masks.

Source: the COCO detection evaluation (pycocotools, COCOeval): IoU .50:.05:.95, 101 recall points, greedy matching by score.
Detections inside a crowd region are ignored, as there: they are neither right nor wrong. So are cells outside a range of
areas, and detections that match one of them, or match nothing and have such an area themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
"""Both as in COCO (https://cocodataset.org/#detection-eval)."""
Areas = tuple[float, float]
"""The smallest and the largest area in pixels that count."""
ALL_AREAS: Areas = (0.0, np.inf)


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
    area, truth_area
        (predicted,), (truth,) pixels of each cell; needed where only some areas count.
    """

    iou: np.ndarray
    scores: np.ndarray
    inside: np.ndarray | None = None
    area: np.ndarray | None = None
    truth_area: np.ndarray | None = None

    def counted(self, areas: Areas) -> np.ndarray:
        """(truth,) bool, which annotated cells count."""
        return np.ones(self.iou.shape[1], bool) if self.truth_area is None else _within(self.truth_area, areas)


def _within(area: np.ndarray, areas: Areas) -> np.ndarray:
    return (area >= areas[0]) & (area <= areas[1])


def greedy_matches(
    image: ImageScores, max_detections: int, areas: Areas = ALL_AREAS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (D,) of the best detections, and whether each is a true or a false positive at each threshold, (10, D) bool."""
    order = np.argsort(-image.scores, kind="mergesort")[:max_detections]
    iou = image.iou[order]
    counted = image.counted(areas)
    hits, ignored = np.zeros((2, len(IOUS), len(order)), dtype=bool)
    groups = [(hits, counted)] if counted.all() else [(hits, counted), (ignored, ~counted)]
    if iou.size:
        for t, threshold in enumerate(np.minimum(IOUS, 1 - 1e-10)):
            free = np.ones(iou.shape[1], dtype=bool)
            for d in np.flatnonzero(iou.max(axis=1) >= threshold):
                for matched, some in groups:
                    row = np.where(free & some, iou[d], -1.0)
                    best = len(row) - 1 - int(np.argmax(row[::-1]))  # COCOeval takes the last of several equal ones
                    if row[best] >= threshold:
                        free[best] = False
                        matched[t, d] = True
                        break
    if image.inside is not None:
        ignored |= image.inside[order] >= np.minimum(IOUS, 1 - 1e-10)[:, None]
    if image.area is not None:
        ignored |= ~_within(image.area[order], areas)
    return image.scores[order], hits, ~hits & ~ignored


def average_precision(
    images: list[ImageScores], max_detections: int, areas: Areas = ALL_AREAS
) -> tuple[np.ndarray, np.ndarray] | None:
    """Precision and recall of one category over all images.

    Returns
    -------
    precision : (10,) mean over the 101 recall points, per IoU threshold
    recall : (10,) largest recall
    None without annotated cells.
    """
    n_truth = sum(int(image.counted(areas).sum()) for image in images)
    if n_truth == 0:
        return None
    parts = [greedy_matches(image, max_detections, areas) for image in images]
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


def coco_scores(
    per_category: Mapping[str, list[ImageScores]], max_detections: int, areas: Areas = ALL_AREAS
) -> dict[str, float | int | None]:
    """AP, AP50, AP75 and AR, means over the categories that occur; None if none does."""
    each = (average_precision(images, max_detections, areas) for images in per_category.values())
    results = [one for one in each if one is not None]
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


SIZES = "small", "medium", "large"


def scores_by_size(per_category: Mapping[str, list[ImageScores]], max_detections: int) -> dict[str, dict[str, Any]]:
    """COCO's AP of small, medium and large cells: a third of the annotated cells each.

    COCO's own bounds, 32 x 32 and 96 x 96 pixels, are made for photographs; nearly all nuclei would be small. Here they are
    the terciles of the annotated areas. A bound lies between two whole numbers of pixels, so no cell counts twice.

    Returns
    -------
    dict
        For each size "n" annotated cells, their "area" from and to in pixels (None where it is open), "AP" and "AP50".
        Empty without annotated cells.
    """
    each = [image.truth_area for images in per_category.values() for image in images if image.truth_area is not None]
    areas = np.concatenate(each) if each else np.zeros(0)
    if not len(areas):
        return {}
    inner = (np.floor(np.quantile(areas, (1 / 3, 2 / 3))) + 0.5).tolist()
    rows = {}
    for name, low, high in zip(SIZES, (0.0, *inner), (*inner, np.inf), strict=True):
        scores = coco_scores(per_category, max_detections, (low, high))
        rows[name] = {
            "n": int(_within(areas, (low, high)).sum()),
            "area": [low or None, None if high == np.inf else high],
            "AP": scores["AP"],
            "AP50": scores["AP50"],
        }
    return rows
