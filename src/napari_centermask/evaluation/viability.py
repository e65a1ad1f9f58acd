"""How well the cells that were found are classified, and what that means for viability.

Cells are matched by their boxes, as masks may be poor. Missed and false cells count in the
metrics of detection and in the viability of each image, not in those of classification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.probabilities import tempered
from napari_centermask.evaluation.coco_ap import ImageScores, coco_scores
from napari_centermask.evaluation.curves import average_precision, calibration, precision_recall, roc, roc_auc
from napari_centermask.evaluation.matching import match, pair_boxes

MATCH = 0.5
"""Two cells are the same if their boxes have at least this IoU: the usual one, as in AP50."""
_TEMPERATURES = (-2.3, 2.3)  # logarithms: from a tenth to ten, as in training; a choice, good calibrations are near one
_LEAST = 1e-12  # in place of a probability of 0, which has no logarithm: a loss of 28


@dataclass(frozen=True)
class Judged:
    """The cells that were found, and the counts of all cells.

    Attributes
    ----------
    categories
        Names, in the order of the columns.
    truth
        (N,) int64, column of each matched cell's true category.
    probabilities
        (N, K) float64, rows sum to 1.
    image
        (N,) int64, image of each cell.
    n_truth, n_predicted
        (images, K) int64, all annotated and all predicted cells, by their categories.
    box_ap
        COCO's measures of the boxes, with the category; see `coco_scores`.
    """

    categories: tuple[str, ...]
    truth: np.ndarray
    probabilities: np.ndarray
    image: np.ndarray
    n_truth: np.ndarray
    n_predicted: np.ndarray
    box_ap: dict[str, Any]

    @property
    def predicted(self) -> np.ndarray:
        """(N,) the most probable category of each cell."""
        return self.probabilities.argmax(axis=1)


def judge(pairs: Iterable[tuple[Instances, Instances]], categories: Sequence[str], *, score: float = 0.0) -> Judged:
    """Match predicted with annotated cells by their boxes.

    Parameters
    ----------
    pairs
        (truth, predicted) per image.
    categories
        Their names; a cell of another category is an error.
    score
        Predictions below it count for the box AP only.

    Raises
    ------
    BadAnnotations
        If the annotations have a category that is not among `categories`.
    """
    categories = tuple(categories)
    rows, tables = [], []
    images: dict[str, list[ImageScores]] = {name: [] for name in categories}
    for number, (truth, predicted) in enumerate(pairs):
        true_kinds = _columns(truth, list(truth), categories)
        _add_boxes(images, truth, true_kinds, predicted, categories)
        kept = [c for c in predicted if c.score >= score]
        said = probabilities_of(predicted, kept, categories)
        t, p, _ = match(pair_boxes(list(truth), kept), MATCH)
        rows.append((true_kinds[t], said[p], np.full(len(t), number)))
        tables.append([np.bincount(k, minlength=len(categories)) for k in (true_kinds, said.argmax(axis=1))])
    if not rows:
        raise BadAnnotations("There are no annotated images. Choose another folder or split.")
    kinds, probabilities, image = (np.concatenate(part) for part in zip(*rows, strict=True))
    counts = np.array(tables, np.int64)
    return Judged(categories, kinds, probabilities, image, counts[:, 0], counts[:, 1], coco_scores(images, 100))


def probabilities_of(predicted: Instances, cells: Sequence[Instance], categories: Sequence[str]) -> np.ndarray:
    """(N, K) probabilities of the categories, by name; 1 for a cell's own category if it has no probabilities."""
    names = [predicted.categories[id] for id in sorted(predicted.categories)]
    own = _columns(predicted, cells, categories)
    out = np.eye(len(categories))[own] if len(cells) else np.zeros((0, len(categories)))
    columns = [categories.index(n) for n in names if n in categories]
    for row, cell in enumerate(cells):
        if len(cell.probabilities) == len(names) > 1:
            known = np.array([p for p, n in zip(cell.probabilities, names, strict=True) if n in categories])
            if known.sum() > 0:
                out[row] = 0.0
                out[row, columns] = known / known.sum()
    return out


def _columns(instances: Instances, cells: Sequence[Instance], categories: Sequence[str]) -> np.ndarray:
    names = [instances.categories.get(c.category, str(c.category)) for c in cells]
    if strange := sorted(set(names) - set(categories)):
        raise BadAnnotations(
            f"The cells have categories ({', '.join(strange)}) that are not among {', '.join(categories)}. "
            "Choose data and models with the same categories."
        )
    return np.array([categories.index(n) for n in names], np.int64)


def _add_boxes(
    images: dict[str, list[ImageScores]],
    truth: Instances,
    kinds: np.ndarray,
    predicted: Instances,
    categories: Sequence[str],
) -> None:
    cells = list(predicted)
    said = _columns(predicted, cells, categories)
    for k, name in enumerate(categories):
        t = [c for c, kind in zip(truth, kinds, strict=True) if kind == k]
        p = [c for c, kind in zip(cells, said, strict=True) if kind == k]
        images[name].append(ImageScores(pair_boxes(t, p).dense(), np.array([c.score for c in p])))


def fit_temperature(judged: Judged) -> float:
    """The temperature with the smallest log loss, to be fitted on `val`; 1 without data."""
    p, truth = judged.probabilities, judged.truth
    if len(np.unique(truth)) < 2:
        return 1.0
    fit = minimize_scalar(
        lambda t: log_loss(truth, tempered(p, float(np.exp(t)))), bounds=_TEMPERATURES, method="bounded"
    )
    return float(np.exp(fit.x))


def log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log probability of the true category."""
    said = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(said, _LEAST)).mean())


def confusion(truth: np.ndarray, predicted: np.ndarray, n: int) -> np.ndarray:
    """(n, n) int64: rows are true, columns predicted categories."""
    return np.bincount(truth * n + predicted, minlength=n * n).reshape(n, n)


def scores_of(table: np.ndarray) -> dict[str, np.ndarray]:
    """precision, recall and f1 (K,) of a confusion matrix; NaN where there is nothing."""
    right = np.diag(table).astype(float)
    with np.errstate(invalid="ignore"):
        return {
            "precision": right / table.sum(axis=0),
            "recall": right / table.sum(axis=1),
            "f1": 2 * right / (table.sum(axis=0) + table.sum(axis=1)),
        }


def balanced_accuracy(table: np.ndarray) -> float:
    """The mean recall of the categories with cells, of a confusion matrix; NaN without cells."""
    recall = scores_of(table)["recall"]
    known = recall[~np.isnan(recall)]
    return float(known.mean()) if len(known) else float("nan")


def report(judged: Judged, *, positive: str, samples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """All metrics, as plain numbers; None if there is nothing to measure.

    Parameters
    ----------
    positive
        The category of the ROC, precision-recall and calibration curves: the rare one, usually "dead".
    samples
        Number of bootstrap draws over images, for 95 % intervals; 0 for none.
    """
    k, n = judged.categories.index(positive), len(judged.categories)
    is_positive, probability = judged.truth == k, judged.probabilities[:, k]
    table = confusion(judged.truth, judged.predicted, n)
    values = scores_of(table)
    by_category = {
        name: {key: _plain(values[key][i]) for key in ("precision", "recall", "f1")} | {"n": int(table[i].sum())}
        for i, name in enumerate(judged.categories)
    }
    errors = viability_errors(judged, positive)
    result = {
        "positive": positive,
        "cells": int(judged.n_truth.sum()),
        "found": len(judged.truth),
        "false": int(judged.n_predicted.sum()) - len(judged.truth),
        "per_category": by_category,
        "balanced_accuracy": _plain(balanced_accuracy(table)),
        "accuracy": _plain(np.trace(table) / max(1, table.sum())) if table.sum() else None,
        "confusion": {"categories": list(judged.categories), "rows_true": table.tolist()},
        "roc_auc": roc_auc(is_positive, probability),
        "average_precision": average_precision(is_positive, probability),
        "log_loss": log_loss(judged.truth, judged.probabilities) if len(judged.truth) else None,
        "brier": float(((probability - is_positive) ** 2).mean()) if len(judged.truth) else None,
        "calibration_error": calibration(is_positive, probability).error if len(judged.truth) else None,
        "viability": errors,
        "box_ap": judged.box_ap,
    }
    return result | {"intervals": intervals(judged, positive, samples=samples, seed=seed)}


def viability_errors(judged: Judged, positive: str) -> dict[str, Any]:
    """Predicted minus true viability of each image in percentage points, counting all cells.

    Images without annotated or without predicted cells are left out.
    """
    k = judged.categories.index(positive)
    both = (judged.n_truth.sum(axis=1) > 0) & (judged.n_predicted.sum(axis=1) > 0)
    true, said = (100 * (1 - n[both, k] / n[both].sum(axis=1)) for n in (judged.n_truth, judged.n_predicted))
    pooled = [100 * (1 - n[:, k].sum() / max(1, n.sum())) for n in (judged.n_truth, judged.n_predicted)]
    difference = said - true
    return {
        "images": int(both.sum()),
        "mean_absolute": _plain(np.abs(difference).mean()) if both.any() else None,
        "bias": _plain(difference.mean()) if both.any() else None,
        "pooled_true": float(pooled[0]),
        "pooled_predicted": float(pooled[1]),
    }


def intervals(judged: Judged, positive: str, *, samples: int, seed: int = 0) -> dict[str, list[float] | None]:
    """95 % intervals from drawing whole images with replacement, as cells of one image are alike."""
    k, n = judged.categories.index(positive), len(judged.categories)
    measures: dict[str, Callable[[np.ndarray, np.ndarray], float | None]] = {
        "f1": lambda t, p: _plain(scores_of(confusion(t, p.argmax(axis=1), n))["f1"][k]),
        "balanced_accuracy": lambda t, p: _plain(balanced_accuracy(confusion(t, p.argmax(axis=1), n))),
        "roc_auc": lambda t, p: roc_auc(t == k, p[:, k]),
        "average_precision": lambda t, p: average_precision(t == k, p[:, k]),
    }
    rng = np.random.default_rng(seed)
    by_image = [np.flatnonzero(judged.image == i) for i in range(len(judged.n_truth))]
    drawn: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(samples if len(judged.truth) else 0):
        rows = np.concatenate([by_image[i] for i in rng.integers(0, len(by_image), len(by_image))])
        if len(rows) == 0:
            continue
        for name, measured in measures.items():
            if (value := measured(judged.truth[rows], judged.probabilities[rows])) is not None:
                drawn[name].append(value)
    return {name: np.percentile(v, [2.5, 97.5]).tolist() if v else None for name, v in drawn.items()}


def curves_of(judged: Judged, positive: str) -> dict[str, Any]:
    """The ROC, precision-recall and calibration curves of one category."""
    k = judged.categories.index(positive)
    truth, probability = judged.truth == k, judged.probabilities[:, k]
    return {
        "roc": roc(truth, probability),
        "precision_recall": precision_recall(truth, probability),
        "calibration": calibration(truth, probability),
    }


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
