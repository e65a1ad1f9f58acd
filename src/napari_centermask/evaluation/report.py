"""All metrics of a model or a prediction on annotated images, in two families that are kept apart.

The bioimage family counts matched cells at one IoU, pooled over all images: AP = TP / (TP + FP + FN) as in StarDist and
Cellpose. The COCO family integrates precision over recall and also needs low-scoring detections. Class maps and outlines
have measures of their own, see `class_maps` and `boundary`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any, Self

import numpy as np

from napari_centermask.core.instances import Instance, Instances, at_border, boxes_of
from napari_centermask.evaluation.boundary import boundary_ious
from napari_centermask.evaluation.class_maps import ClassMap, PixelCounts, class_map
from napari_centermask.evaluation.coco_ap import ImageScores, coco_scores, scores_by_size
from napari_centermask.evaluation.counts import IOUS, Counts, ap_by_iou, mean_ap
from napari_centermask.evaluation.matching import Pairs, covered_fraction, inside_any, match, pair

OVERLAP = 0.05
"""A cell counts as overlapping if it shares at least this fraction of its area with others; a choice
above the 0.02 by which outlines of neighbours overlap in `dsb2018_fluo` (docs/benchmarks.md, "What annotated cells are like")."""
MOST_DETECTIONS = 1000
"""Of an image for the COCO metrics; their default of 100 would drop most cells of a dense field. A choice above the cells of
a field."""


@dataclass
class Report:
    """Metrics of one evaluation; see `to_json` for their names."""

    n_images: int = 0
    n_instances: int = 0
    counts: dict[float, Counts] = field(default_factory=lambda: {t: Counts() for t in IOUS})
    boundary_counts: dict[float, Counts] = field(default_factory=lambda: {t: Counts() for t in IOUS})
    per_category: dict[str, dict[str, Any]] = field(default_factory=dict)
    coco: dict[str, Any] = field(default_factory=dict)
    coco_by_size: dict[str, dict[str, Any]] = field(default_factory=dict)
    pixels: PixelCounts = field(default_factory=PixelCounts)
    boundary_iou: list[float] = field(default_factory=list)
    matched_iou: list[float] = field(default_factory=list)
    matched_dice: list[float] = field(default_factory=list)
    matched_area_ratio: list[float] = field(default_factory=list)
    overlap_iou: list[float] = field(default_factory=list)
    cut_iou: list[float] = field(default_factory=list)
    inside_iou: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    per_image: list[dict[str, Any]] = field(default_factory=list)
    left_out: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; None if there is nothing to measure."""
        at50 = self.counts[0.5]
        iou = _mean(self.matched_iou)
        return {
            "n_images": self.n_images,
            "n_instances": self.n_instances,
            "bioimage_ap": ap_by_iou(self.counts),
            "bioimage_ap_mean": mean_ap(self.counts),
            "coco": self.coco,
            "coco_by_size": self.coco_by_size,
            "precision": at50.precision,
            "recall": at50.recall,
            "f1": at50.f1,
            "pq": None if at50.f1 is None else at50.f1 * (iou or 0.0),
            "mean_iou_matched": iou,
            "dice_matched": _mean(self.matched_dice),
            "area_ratio": float(np.median(self.matched_area_ratio)) if self.matched_area_ratio else None,
            "boundary": {
                "iou_matched": _mean(self.boundary_iou),
                "bioimage_ap": ap_by_iou(self.boundary_counts),
                "bioimage_ap_mean": mean_ap(self.boundary_counts),
            },
            "class_map": self.pixels.to_json(),
            "overlap": _found(self.overlap_iou),
            "border": {"cut": _found(self.cut_iou), "inside": _found(self.inside_iou)},
            "per_category": self.per_category,
            "left_out": self.left_out,
            "seconds_per_image": _mean(self.seconds),
            "per_image": self.per_image,
        }


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _found(ious: list[float]) -> dict[str, Any]:
    """How many of some annotated cells were found at IoU 0.5, and how well; the IoU of a missed cell is 0."""
    return {"n": len(ious), "recall50": _mean([float(iou > 0) for iou in ious]), "mean_iou": _mean(ious)}


def evaluate(
    pairs: Iterable[tuple[Instances, Instances, float | None]],
    *,
    score: float = 0.0,
    max_detections: int = MOST_DETECTIONS,
    names: Iterable[str] | None = None,
    crowds: Iterable[Sequence[Instance]] | None = None,
    unreviewed: Iterable[Instance | None] | None = None,
    class_maps: Iterable[ClassMap] | None = None,
    details: bool = True,
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
    unreviewed
        The part of each image that nobody reviewed, or None: what is predicted there and matches no cell is neither right nor
        wrong, whatever its category.
    class_maps
        The network's own of each image, to be judged instead of maps drawn from the predicted cells.
    details
        Also measure class maps, outlines and AP by cell size, which takes longer.
    """
    report = Report()
    images: dict[str, list[ImageScores]] = {}
    by_category: dict[str, Counts] = {}
    labels = iter(names) if names is not None else None
    regions = iter(crowds) if crowds is not None else repeat(())
    parts = iter(unreviewed) if unreviewed is not None else repeat(None)
    maps: Iterator[ClassMap | None] = iter(class_maps) if class_maps is not None else repeat(None)
    for (truth, predicted, seconds), crowd, part in zip(pairs, regions, parts, strict=False):
        report.n_images += 1
        report.n_instances += len(truth)
        if seconds is not None:
            report.seconds.append(seconds)
        rest = () if part is None else (part,)
        image = _Image.of(truth, predicted, score, (*crowd, *rest))
        row = _add_image(report, image)
        if details:
            row |= _add_details(report, image, next(maps))
        report.per_image.append(({"name": next(labels)} if labels is not None else {}) | row)
        _add_categories(images, by_category, truth, predicted, score, crowd, rest)
    report.coco = coco_scores(images, max_detections)
    report.coco_by_size = scores_by_size(images, max_detections) if details else {}
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


@dataclass(frozen=True)
class _Image:
    """The annotated cells of an image, the predicted ones, and those that count, paired with the annotated ones once."""

    truth: Instances
    predicted: Instances
    unknown: Sequence[Instance]
    cells: list[Instance]
    kept: list[Instance]
    pairs: Pairs
    inside: np.ndarray

    @classmethod
    def of(cls, truth: Instances, predicted: Instances, score: float, unknown: Sequence[Instance]) -> Self:
        """Pair the cells from a score on; `inside` is the part of each in an unknown region."""
        cells, kept = list(truth), [i for i in predicted if i.score >= score]
        return cls(truth, predicted, unknown, cells, kept, pair(cells, kept), inside_any(kept, unknown))


def _add_image(report: Report, image: _Image) -> dict[str, Any]:
    cells, kept, pairs, inside = image.cells, image.kept, image.pairs, image.inside
    for threshold, counts in report.counts.items():
        matched = match(pairs, threshold)[1]
        counts.add(len(matched), len(cells), len(kept) - _n_ignored(inside, matched))
    t, p, iou = match(pairs, 0.5)
    report.matched_iou += iou.tolist()
    report.matched_dice += (2 * iou / (1 + iou)).tolist()
    reached = np.zeros(len(cells))
    reached[t] = iou
    overlapping = covered_fraction(image.truth) >= OVERLAP
    report.overlap_iou += reached[overlapping].tolist()
    cut = at_border(boxes_of(cells), image.truth.shape)
    report.cut_iou += reached[cut].tolist()
    report.inside_iou += reached[~cut].tolist()
    report.matched_area_ratio += [kept[j].area / cells[i].area for i, j in zip(t, p, strict=True)]
    own = Counts()
    own.add(len(t), len(cells), len(kept) - _n_ignored(inside, p))
    return {"n_truth": len(cells), "n_predicted": len(kept), "f1": own.f1, "ap50": own.ap}


def _add_details(report: Report, image: _Image, own: ClassMap | None) -> dict[str, Any]:
    """Compare outlines and class maps of an image."""
    cells, kept, inside = image.cells, image.kept, image.inside
    close = image.pairs.at_least(IOUS[0])
    outlines = boundary_ious(close, cells, kept)
    # The smaller of the two, as the paper recommends for AP: a ring without a middle has a perfect outline.
    limited = replace(close, iou=np.minimum(outlines, close.iou))
    for threshold, counts in report.boundary_counts.items():
        matched = match(limited, threshold)[1]
        counts.add(len(matched), len(cells), len(kept) - _n_ignored(inside, matched))
    of_pair = dict(zip(zip(close.truth, close.predicted, strict=True), outlines.tolist(), strict=True))
    t, p, _ = match(close, IOUS[0])
    values = [of_pair[i, j] for i, j in zip(t, p, strict=True)]
    report.boundary_iou += values
    pixels = _pixels(image, own)
    report.pixels.update(pixels)
    return {"boundary_iou": _mean(values), "miou": pixels.to_json()["miou"]}


def _pixels(image: _Image, own: ClassMap | None) -> PixelCounts:
    """The pixels of an image by their true and predicted category, by the network's own class map if there is one."""
    truth = image.truth
    true_name, predicted_name = _namers(truth, image.predicted)
    drawn = _drawn(image.cells, true_name, truth.shape)
    if own is None:
        own = _drawn(image.kept, predicted_name, truth.shape)
    elif len(own.names) == len(truth.categories) == 1:
        own = replace(own, names=list(truth.categories.values()))
    names = sorted({*drawn.names, *own.names})
    pixels = PixelCounts()
    pixels.add(drawn.numbered_as(names), own.numbered_as(names), names, unknown=image.unknown)
    return pixels


def _drawn(cells: Sequence[Instance], name_of: Callable[[Instance], str], shape: tuple[int, int]) -> ClassMap:
    each = [name_of(cell) for cell in cells]
    names = sorted(set(each))
    return ClassMap(class_map(cells, [1 + names.index(name) for name in each], shape), names)


def _n_ignored(inside: np.ndarray, matched: np.ndarray) -> int:
    """Predicted cells that match no cell and lie for the most part in an unknown region."""
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
    unreviewed: Sequence[Instance],
) -> None:
    true_name, predicted_name = _namers(truth, predicted)
    for name in sorted(set(map(true_name, truth)) | set(map(predicted_name, predicted))):
        t = [i for i in truth if true_name(i) == name]
        p = [i for i in predicted if predicted_name(i) == name]
        unknown = [*(c for c in crowds if true_name(c) == name), *unreviewed]
        pairs, inside = pair(t, p), inside_any(p, unknown)
        area, truth_area = (np.array([i.area for i in cells], float) for cells in (p, t))
        scores = ImageScores(pairs.dense(), np.array([i.score for i in p]), inside, area, truth_area)
        images.setdefault(name, []).append(scores)
        kept = np.array([i.score >= score for i in p], dtype=bool)
        matched = match(pairs.of_predicted(kept), 0.5)[1]
        n_kept = int(kept.sum()) - _n_ignored(np.where(kept, inside, 0.0), matched)
        by_category.setdefault(name, Counts()).add(len(matched), len(t), n_kept)


def _namers(truth: Instances, predicted: Instances) -> tuple[Callable[[Instance], str], Callable[[Instance], str]]:
    """Category names of the cells on both sides; if each side has one category, they are the same, whatever their names."""
    if len(truth.categories) == 1 and len(predicted.categories) == 1:
        (only,) = truth.categories.values()
        return (lambda _: only), (lambda _: only)
    return (lambda i: truth.categories.get(i.category, str(i.category))), (
        lambda i: predicted.categories.get(i.category, str(i.category))
    )
