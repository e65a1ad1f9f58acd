"""Curves of a decision between two classes: ROC, precision-recall and calibration. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid


@dataclass(frozen=True)
class Curve:
    """Points of a curve with their thresholds, highest first.

    Attributes
    ----------
    x, y
        False positive and true positive rate, or recall and precision.
    threshold
        Scores of at least this count as positive.
    """

    x: np.ndarray
    y: np.ndarray
    threshold: np.ndarray


def _counts(truth: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True and false positives at each distinct score, highest first."""
    order = np.argsort(-score, kind="stable")
    truth, score = truth[order], score[order]
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    positives = np.cumsum(truth)[last]
    return positives.astype(float), (1 + last - positives).astype(float), score[last]


def roc(truth: np.ndarray, score: np.ndarray) -> Curve:
    """The receiver operating characteristic.

    Parameters
    ----------
    truth
        (N,) bool.
    score
        (N,) higher for positive.
    """
    tp, fp, threshold = _counts(np.asarray(truth, bool), np.asarray(score, float))
    rates = np.concatenate([[0.0], fp / max(fp[-1], 1)]), np.concatenate([[0.0], tp / max(tp[-1], 1)])
    return Curve(*rates, np.concatenate([[np.inf], threshold]))


def roc_auc(truth: np.ndarray, score: np.ndarray) -> float | None:
    """Area under the ROC curve, with ties counted half; None with a single class."""
    truth = np.asarray(truth, bool)
    if truth.all() or not truth.any():
        return None
    curve = roc(truth, score)
    return float(trapezoid(curve.y, curve.x))


def precision_recall(truth: np.ndarray, score: np.ndarray) -> Curve:
    """Recall (x) and precision (y) at each threshold."""
    tp, fp, threshold = _counts(np.asarray(truth, bool), np.asarray(score, float))
    return Curve(tp / max(tp[-1], 1), tp / (tp + fp), threshold)


def average_precision(truth: np.ndarray, score: np.ndarray) -> float | None:
    """Area under the precision-recall curve: precision times the steps of recall; None without positives."""
    if not np.any(truth):
        return None
    curve = precision_recall(truth, score)
    return float(np.sum(np.diff(curve.x, prepend=0.0) * curve.y))


@dataclass(frozen=True)
class Calibration:
    """Bins of equal width of a probability.

    Attributes
    ----------
    predicted, observed
        (B,) mean probability and fraction of positives in each bin that is not empty.
    count
        (B,) cells.
    """

    predicted: np.ndarray
    observed: np.ndarray
    count: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the mean difference of the two, weighted by cells (Naeini et al. 2015)."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.count))


def calibration(truth: np.ndarray, probability: np.ndarray, *, bins: int = 10) -> Calibration:
    """The calibration curve: predicted probability against observed frequency.

    Parameters
    ----------
    truth
        (N,) bool.
    probability
        (N,) in [0, 1].
    """
    probability = np.asarray(probability, float)
    which = np.minimum((probability * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    some = count > 0
    means = [np.bincount(which, weights=np.asarray(v, float), minlength=bins)[some] for v in (probability, truth)]
    return Calibration(means[0] / count[some], means[1] / count[some], count[some])
