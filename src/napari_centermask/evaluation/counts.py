"""Cells found, missed and false at one IoU, and the bioimage metrics that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

IOUS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""Those of COCO (https://cocodataset.org/#detection-eval)."""
LAST_OF_MEAN = 0.9
"""Up to this IoU the mean AP goes: as StarDist's tables (arXiv 1806.03535); at 0.95 a pixel along the outline decides."""


@dataclass
class Counts:
    """True positives, false positives and false negatives at one IoU."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def add(self, matched: int, n_truth: int, n_predicted: int) -> None:
        """Add one image."""
        self.tp += matched
        self.fp += n_predicted - matched
        self.fn += n_truth - matched

    @property
    def ap(self) -> float | None:
        """TP / (TP + FP + FN); None when there is nothing."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float | None:
        """TP / (TP + FP)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """TP / (TP + FN)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def _ratio(a: float, b: float) -> float | None:
    return a / b if b else None


def ap_by_iou(counts: Mapping[float, Counts]) -> dict[str, float | None]:
    """Bioimage AP by IoU: "0.50" to "0.95"."""
    return {f"{iou:.2f}": at.ap for iou, at in counts.items()}


def mean_ap(counts: Mapping[float, Counts]) -> float | None:
    """Mean bioimage AP over IoU .50:.05:.90; None where there is nothing to measure."""
    known = [at.ap for iou, at in counts.items() if iou <= LAST_OF_MEAN and at.ap is not None]
    return float(np.mean(known)) if known else None
