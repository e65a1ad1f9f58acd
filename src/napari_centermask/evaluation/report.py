"""All metrics of a model or a prediction on annotated images, in two families that are kept apart.

The bioimage family counts matched cells at one IoU, pooled over all images: AP = TP / (TP + FP + FN) as in StarDist and
Cellpose. The COCO family integrates precision over recall and also needs low-scoring detections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np

from napari_centermask.core.counted import counted
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation.coco_ap import ImageScores, coco_scores
from napari_centermask.evaluation.matching import Pairs, covered_fraction, inside_any, match, pair

IOUS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""Those of COCO (https://cocodataset.org/#detection-eval)."""
OVERLAP = 0.05
"""A cell counts as overlapping if it shares at least this fraction of its area with others; a choice
above the 0.02 by which outlines of neighbours overlap in `dsb2018_fluo` (docs/benchmarks.md, "What annotated cells are like")."""
LAST_OF_MEAN = 0.9
"""Up to this IoU the mean AP goes: as StarDist's tables (arXiv 1806.03535); at 0.95 a pixel along the outline decides."""
MOST_DETECTIONS = 1000
"""Of an image for the COCO metrics; their default of 100 would drop most cells of a dense field. A choice above the cells of
a field."""


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


@dataclass
class Report:
    """Metrics of one evaluation; see `to_json` for their names."""

    n_images: int = 0
    n_instances: int = 0
    counts: dict[float, Counts] = field(default_factory=lambda: {t: Counts() for t in IOUS})
    per_category: dict[str, dict[str, Any]] = field(default_factory=dict)
    coco: dict[str, Any] = field(default_factory=dict)
    matched_iou: list[float] = field(default_factory=list)
    matched_dice: list[float] = field(default_factory=list)
    overlap_iou: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    per_image: list[dict[str, Any]] = field(default_factory=list)
    left_out: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; None if there is nothing to measure."""
        ap = {f"{t:.2f}": c.ap for t, c in self.counts.items()}
        known = [v for k, v in ap.items() if v is not None and float(k) <= LAST_OF_MEAN]
        at50 = self.counts[0.5]
        iou = _mean(self.matched_iou)
        return {
            "n_images": self.n_images,
            "n_instances": self.n_instances,
            "bioimage_ap": ap,
            "bioimage_ap_mean": _mean(known),
            "coco": self.coco,
            "precision": at50.precision,
            "recall": at50.recall,
            "f1": at50.f1,
            "pq": None if at50.f1 is None else at50.f1 * (iou or 0.0),
            "mean_iou_matched": iou,
            "dice_matched": _mean(self.matched_dice),
            "overlap": {
                "n": len(self.overlap_iou),
                "recall50": _mean([float(v > 0) for v in self.overlap_iou]),
                "mean_iou": _mean(self.overlap_iou),
            },
            "per_category": self.per_category,
            "left_out": self.left_out,
            "seconds_per_image": _mean(self.seconds),
            "per_image": self.per_image,
        }


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def evaluate(
    pairs: Iterable[tuple[Instances, Instances, float | None]],
    *,
    score: float = 0.0,
    max_detections: int = MOST_DETECTIONS,
    names: Iterable[str] | None = None,
    crowds: Iterable[Sequence[Instance]] | None = None,
) -> Report:
    """Compare predictions with annotations.

    Parameters
    ----------
    pairs
        (truth, predicted, seconds or None) per image. Categories are compared by name if both sides have names.
    score
        Predictions below it count for the COCO metrics only.
    max_detections
        Largest number of detections per image for the COCO metrics; their default of 100 would drop most cells of a dense field.
    names
        One name per image for `per_image`.
    crowds
        Regions of each image in which cells were not outlined one by one: what is predicted there is neither right nor wrong.
    """
    report = Report()
    images: dict[str, list[ImageScores]] = {}
    by_category: dict[str, Counts] = {}
    labels = iter(names) if names is not None else None
    regions = iter(crowds) if crowds is not None else repeat(())
    for (truth, predicted, seconds), ignored in zip(pairs, regions, strict=False):
        report.n_images += 1
        report.n_instances += len(truth)
        if seconds is not None:
            report.seconds.append(seconds)
        everything = list(predicted)
        kept = [i for i in everything if i.score >= score]
        row = _add_image(report, list(truth), kept, truth, ignored)
        report.per_image.append(({"name": next(labels)} if labels is not None else {}) | row)
        _add_categories(images, by_category, truth, predicted, score, ignored)
    report.coco = coco_scores(images, max_detections)
    for name, counts in by_category.items():
        report.per_category[name] = {
            "n": counts.tp + counts.fn,
            "precision": counts.precision,
            "recall": counts.recall,
            "f1": counts.f1,
            "bioimage_ap50": counts.ap,
            "coco_ap": coco_scores({name: images[name]}, max_detections)["AP"],
        }
    return report


def _add_image(
    report: Report, truth: list[Instance], kept: list[Instance], instances: Instances, crowds: Sequence[Instance]
) -> dict[str, Any]:
    pairs, inside = pair(truth, kept), inside_any(kept, crowds)
    for threshold, counts in report.counts.items():
        matched = match(pairs, threshold)[1]
        counts.add(len(matched), len(truth), len(kept) - _n_ignored(inside, matched))
    t, p, iou = match(pairs, 0.5)
    report.matched_iou += iou.tolist()
    report.matched_dice += (2 * iou / (1 + iou)).tolist()
    reached = np.zeros(len(truth))
    reached[t] = iou
    overlapping = covered_fraction(instances) >= OVERLAP
    report.overlap_iou += reached[overlapping].tolist()
    own = Counts()
    own.add(len(t), len(truth), len(kept) - _n_ignored(inside, p))
    return {"n_truth": len(truth), "n_predicted": len(kept), "f1": own.f1, "ap50": own.ap}


def _n_ignored(inside: np.ndarray, matched: np.ndarray) -> int:
    """Predicted cells that match no cell and lie for the most part in a crowd region."""
    ignored = inside >= 0.5  # for the most part
    ignored[matched] = False
    return int(np.count_nonzero(ignored))


def _add_categories(
    images: dict[str, list[ImageScores]],
    by_category: dict[str, Counts],
    truth: Instances,
    predicted: Instances,
    score: float,
    crowds: Sequence[Instance],
) -> None:
    true_name, predicted_name = _namers(truth, predicted)
    for name in sorted(set(map(true_name, truth)) | set(map(predicted_name, predicted))):
        t = [i for i in truth if true_name(i) == name]
        p = [i for i in predicted if predicted_name(i) == name]
        pairs, inside = pair(t, p), inside_any(p, [c for c in crowds if true_name(c) == name])
        images.setdefault(name, []).append(ImageScores(pairs.dense(), np.array([i.score for i in p]), inside))
        kept = np.array([i.score >= score for i in p], dtype=bool)
        matched = match(_only(pairs, kept), 0.5)[1]
        n_kept = int(kept.sum()) - _n_ignored(np.where(kept, inside, 0.0), matched)
        by_category.setdefault(name, Counts()).add(len(matched), len(t), n_kept)


def _only(pairs: Pairs, kept: np.ndarray) -> Pairs:
    good = kept[pairs.predicted] if len(pairs.predicted) else np.zeros(0, bool)
    return Pairs(
        pairs.truth[good], pairs.predicted[good], pairs.iou[good], pairs.shared[good], pairs.n_truth, pairs.n_predicted
    )


def _namers(truth: Instances, predicted: Instances) -> tuple[Callable[[Instance], str], Callable[[Instance], str]]:
    """Category names of the cells on both sides; if each side has one category, they are the same, whatever their names."""
    if len(truth.categories) == 1 and len(predicted.categories) == 1:
        (only,) = truth.categories.values()
        return (lambda _: only), (lambda _: only)
    return (lambda i: truth.categories.get(i.category, str(i.category))), (
        lambda i: predicted.categories.get(i.category, str(i.category))
    )


def format_table(report: Report) -> str:
    """A table for the screen."""
    data = report.to_json()

    def show(value: object) -> str:
        return "-" if value is None else f"{value:.4f}"

    ap = data["bioimage_ap"]
    lines = [
        f"{counted(data['n_images'], 'image')}, {counted(data['n_instances'], 'annotated cell')}",
        *([report.left_out] if report.left_out else []),
        "",
        "bioimage AP = TP / (TP + FP + FN), pooled over the images",
        "  IoU   " + "  ".join(f"{k:>6}" for k in ap) + "   mean .50-.90",
        "  AP    " + "  ".join(show(v) for v in ap.values()) + f"   {show(data['bioimage_ap_mean'])}",
        "",
        "at IoU 0.50   " + "   ".join(f"{k} {show(data[k])}" for k in ("precision", "recall", "f1", "pq")),
        f"matched cells   mean IoU {show(data['mean_iou_matched'])}   Dice {show(data['dice_matched'])}",
        "overlapping cells   n {n}   recall {r}   mean IoU {m}".format(
            n=data["overlap"]["n"], r=show(data["overlap"]["recall50"]), m=show(data["overlap"]["mean_iou"])
        ),
        "COCO (a different measure)   "
        + "   ".join(f"{k} {show(data['coco'][k])}" for k in ("AP", "AP50", "AP75", "AR"))
        + f"   maxDets {data['coco']['maxDets']}",
    ]
    if len(data["per_category"]) > 1:
        lines += ["", f"{'category':<20}{'n':>8}{'precision':>11}{'recall':>9}{'f1':>9}{'COCO AP':>9}"]
        for name, row in data["per_category"].items():
            values = [show(row[k]) for k in ("precision", "recall", "f1", "coco_ap")]
            lines.append(f"{name:<20}{row['n']:>8}{values[0]:>11}{values[1]:>9}{values[2]:>9}{values[3]:>9}")
    if data["seconds_per_image"] is not None:
        lines += ["", f"{data['seconds_per_image']:.3f} seconds per image"]
    return "\n".join(lines)
