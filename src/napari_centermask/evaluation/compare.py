"""Whether a new model is better: both are compared on the same held-out images, with the chance that the difference is luck.

Source of the test: paired bootstrap, B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 16; images
are drawn with replacement, and both models are scored on each draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation.counts import IOUS, LAST_OF_MEAN
from napari_centermask.evaluation.matching import inside_any, match, pair
from napari_centermask.evaluation.report import Report, evaluate

Area = tuple[float, float, float, float]
"""(y0, x0, y1, x1) of a part of an image, in pixels."""
GATE_IOUS = tuple(t for t in IOUS if t <= LAST_OF_MEAN)
DRAWS = 2000
"""With this many draws, a chance of 5 % has a standard error of 0.5 %."""
FEW_IMAGES = 8
"""With fewer images, at least this many parts of them are drawn instead: 4 images have 35 different draws, 8 have 6,435."""
FEW_SOURCES = 5
"""With fewer sources, the verdict warns that other images may differ; chosen."""
LUCK = 0.2
"""A gain is accepted if at most this fraction of the draws shows none; docs/benchmarks.md compares other limits."""
SURE = 0.05
"""Up to this fraction of the draws, the verdict calls the gain certain: the usual level of significance."""
LEAST = 0.01
"""Smallest gain that is worth another model. A choice: a model of cells that were outlined one diameter beside their place gained
0.004 without a doubt, as both models found hardly any of them (docs/benchmarks.md, "The gate at the present settings")."""

FORGOTTEN = 0.02
"""The AP on the old model's kind of image may fall by this much before the verdict mentions it.

Honest fine-tunings cost up to 0.015 (docs/benchmarks.md, "Learning curve").
"""


@dataclass(frozen=True)
class Judged:
    """One image with its annotations and the predictions of both models, low-scoring candidates included.

    Attributes
    ----------
    group
        Images of one source are drawn together; if empty, the name is used.
    crowds
        Regions of many cells that nobody outlined one by one: what is found there is neither right nor wrong.
    """

    name: str
    truth: Instances
    old: Instances
    new: Instances
    group: str = ""
    crowds: tuple[Instance, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What the gate decides.

    Attributes
    ----------
    recommended
        Whether to use the new model. Never for one that is not better beyond luck, that forgot more than it gained, or that
        was trained on more of these images than the old one.
    difference
        New minus old, mean bioimage AP at IoU .50:.05:.90.
    interval
        Central 95 % of the difference over the draws.
    luck
        Fraction of the draws in which the new model is not better.
    unit
        What was drawn: "images", "sources" or "parts of images".
    sentence
        The outcome in words.
    n_sources
        Sources of the held-out images.
    forgotten
        By how much the AP fell on the old model's kind of image; None if that was not measured.
    trained_on
        Number of the images that the old and the new model were trained on.
    """

    recommended: bool
    difference: float
    interval: tuple[float, float]
    luck: float
    unit: str
    sentence: str
    n_sources: int
    forgotten: float | None = None
    trained_on: tuple[int, int] = (0, 0)


@dataclass
class Comparison:
    """The figures of both models and the verdict; see `to_json` for their names."""

    old: Report
    new: Report
    verdict: Verdict
    per_image: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "verdict": vars(self.verdict) | {"interval": list(self.verdict.interval)},
            "old": self.old.to_json(),
            "new": self.new.to_json(),
            "per_image": self.per_image,
        }


def compare(
    images: Sequence[Judged],
    *,
    old_score: float = 0.4,
    new_score: float = 0.4,
    categories: Sequence[str] = (),
    forgotten: float | None = None,
    trained_on: tuple[int, int] = (0, 0),
    seed: int = 0,
) -> Comparison:
    """Compare two models on the same images.

    Parameters
    ----------
    images
        Images that the new model was not trained on.
    old_score, new_score
        Lowest scores of each model's cells that count.
    categories
        Categories that must match for a cell to count as found; if empty, categories are ignored.
    forgotten
        By how much the AP fell on the old model's kind of image, if that was measured.
    trained_on
        Number of the images that the old and the new model were trained on.

    Raises
    ------
    ValueError
        If there is no image.
    """
    if not images:
        raise ValueError("There are no images to compare on.")
    names = [j.name for j in images]
    crowds = [j.crowds for j in images]
    old = evaluate(((j.truth, j.old, None) for j in images), score=old_score, names=names, crowds=crowds)
    new = evaluate(((j.truth, j.new, None) for j in images), score=new_score, names=names, crowds=crowds)
    rows = []
    for a, b in zip(old.per_image, new.per_image, strict=True):
        row = {k: a[k] for k in ("name", "n_truth")}
        rows.append(
            row | {f"{k}_{s}": r[k] for s, r in (("old", a), ("new", b)) for k in ("n_predicted", "f1", "ap50")}
        )
    verdict = judge(
        *_counts(images, old_score, new_score, categories),
        unit=_unit(images),
        n_sources=_n_sources(images),
        forgotten=forgotten,
        trained_on=trained_on,
        measure="mean AP by category" if categories else "mean AP",
        seed=seed,
    )
    return Comparison(old, new, verdict, rows)


def judge(
    old: np.ndarray,
    new: np.ndarray,
    *,
    unit: str = "images",
    n_sources: int | None = None,
    forgotten: float | None = None,
    trained_on: tuple[int, int] = (0, 0),
    measure: str = "mean AP",
    seed: int = 0,
) -> Verdict:
    """The verdict from counts of the same images.

    Parameters
    ----------
    old, new
        (images, IoUs, 3) true positives, false positives, false negatives.
    n_sources
        Number of sources of the images; by default the number of images.
    forgotten, trained_on
        As for `compare`.
    measure
        Name of the figure in the verdict.
    """
    n_sources = len(old) if n_sources is None else n_sources
    difference = pooled_ap(new.sum(0)) - pooled_ap(old.sum(0))
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(old), np.full(len(old), 1 / len(old)), size=DRAWS)
    gains = pooled_ap(np.tensordot(weights, new, 1)) - pooled_ap(np.tensordot(weights, old, 1))
    low, high = (float(q) for q in np.quantile(gains, (0.025, 0.975)))
    luck = float((gains <= 0).mean())
    lost = max(forgotten or 0.0, 0.0)
    is_worth = difference > lost and difference >= LEAST
    recommended = bool(is_worth and luck <= LUCK and len(old) > 1 and trained_on[1] <= trained_on[0])
    where = f"{measure} on {len(old)} {unit} (95 %: {low:+.3f} to {high:+.3f})"
    words = [
        _gain(float(difference), luck, where, is_alone=len(old) < 2),
        _loss(float(difference), lost),
        _few(n_sources),
        _kind(*trained_on),
    ]
    sentence = " ".join(filter(None, words))
    return Verdict(recommended, float(difference), (low, high), luck, unit, sentence, n_sources, forgotten, trained_on)


def _gain(difference: float, luck: float, where: str, *, is_alone: bool) -> str:
    gain = f"{abs(difference):.3f} in {where}"
    if difference == 0:
        return "Both models are equally good."
    if difference < 0:
        return f"The new model is not better: it loses {gain}."
    if difference < LEAST:
        return f"Both models are about equally good: the new one gains {gain}."
    if is_alone:
        return f"The new model gains {gain}; a single image cannot show whether that is luck."
    if luck > LUCK:
        return f"The new model gains {gain}, which may be luck (chance {luck:.0%}). Review more images to find out."
    chance = f"it gains {gain}; the chance that this is luck is {max(luck, 1 / DRAWS):.1%}"
    if luck > SURE:
        return f"The new model is probably better: {chance}. Review more images to be sure."
    return f"The new model is better: {chance}."


def _loss(difference: float, lost: float) -> str:
    if lost <= FORGOTTEN and not 0 < difference <= lost:
        return ""
    advice = "keep the old model for such images" if difference > lost else "that is more than it gains"
    return f"On the kind of image that the old model was made for, it loses {lost:.3f}: {advice}."


def _few(n_sources: int) -> str:
    if n_sources >= FEW_SOURCES:
        return ""
    images = "one image" if n_sources == 1 else f"{n_sources} images"
    return f"Compared on only {images}, so the difference on others may be larger."


def _kind(old: int, new: int) -> str:
    """A warning that a model is compared on images that it was trained on."""
    if not old and not new:
        return ""
    if new > old:
        return f"The new model was trained on {_images(new)} of this comparison, so it cannot be recommended."
    who = "Both models were" if new else "The old model was"
    return f"{who} trained on {_images(old)} of this comparison, and would look worse on others."


def _images(n: int) -> str:
    return "an image" if n == 1 else f"{n} images"


def pooled_ap(counts: np.ndarray) -> np.ndarray:
    """Mean over the IoUs of TP / (TP + FP + FN), (..., IoUs, 3) -> (...)."""
    total = counts.sum(axis=-1)
    return (counts[..., 0] / np.maximum(total, 1)).mean(axis=-1)


def _n_sources(images: Sequence[Judged]) -> int:
    return len({j.group or j.name for j in images})


def _unit(images: Sequence[Judged]) -> str:
    n = _n_sources(images)
    return "parts of images" if n < FEW_IMAGES else "images" if n == len(images) else "sources"


def _counts(
    images: Sequence[Judged], old_score: float, new_score: float, categories: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """(units, IoUs, 3) of both models."""
    in_parts = _unit(images) == "parts of images"
    n = max(4, -(-FEW_IMAGES // _n_sources(images)))
    units: dict[tuple[str, int], list[list[np.ndarray]]] = {}
    for j in images:
        parts = _parts(j, n) if in_parts else [None]
        for k, part in enumerate(parts):  # the same place in all frames of a source is one part
            sides = ((j.old, old_score), (j.new, new_score))
            both = [
                counts_of(j.truth, cells, score, part, crowds=j.crowds, categories=categories) for cells, score in sides
            ]
            units.setdefault((j.group or j.name, k), []).append(both)
    counts = [(np.sum([a for a, _ in u], axis=0), np.sum([b for _, b in u], axis=0)) for u in units.values()]
    if in_parts:
        counts = [(a, b) for a, b in counts if a.any() or b.any()] or [(np.zeros((len(GATE_IOUS), 3)),) * 2]
    return np.stack([a for a, _ in counts]), np.stack([b for _, b in counts])


def _parts(judged: Judged, n: int) -> list[Area]:
    """`n` rectangles with about the same number of annotated cells each."""
    height, width = judged.truth.shape
    centres = np.array([_middle(c) for c in judged.truth]).reshape(-1, 2)
    axis = 0 if height >= width else 1
    size = (height, width)[axis]
    at = np.arange(1, n) / n
    inner = np.quantile(centres[:, axis], at) if len(centres) >= n else size * at
    edges = [0.0, *inner, float(size) + 1]
    boxes: list[Area] = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        boxes.append((low, 0.0, high, width + 1.0) if axis == 0 else (0.0, low, height + 1.0, high))
    return boxes


def counts_of(
    truth: Instances,
    predicted: Instances,
    score: float,
    part: Area | None = None,
    *,
    crowds: Sequence[Instance] = (),
    categories: Sequence[str] = (),
) -> np.ndarray:
    """(IoUs, 3) true positives, false positives, false negatives, of the cells with their centre in `part`.

    A pair counts in the part of its annotated cell. Cells are matched in the whole image; with `categories`, only within one.
    What lies for the most part in a crowd region and is not matched does not count.
    """
    if categories:
        counts = np.zeros((len(GATE_IOUS), 3))
        for name in categories:
            own = [c for c in crowds if truth.categories.get(c.category) == name]
            counts += counts_of(_named(truth, name), _named(predicted, name), score, part, crowds=own)
        return counts
    true = list(truth)
    kept = [c for c in predicted if c.score >= score]
    pairs = pair(true, kept)
    in_truth = np.array([_is_in(c, part) for c in true], bool)
    in_kept = np.array([_is_in(c, part) for c in kept], bool) & (inside_any(kept, crowds) < 0.5)
    rows = []
    for threshold in GATE_IOUS:
        t, p, _ = match(pairs, threshold)
        alone = np.ones(len(kept), bool)
        alone[p] = False
        tp = int(in_truth[t].sum()) if len(t) else 0
        rows.append((tp, int((in_kept & alone).sum()), int(in_truth.sum()) - tp))
    return np.array(rows, float)


def _named(cells: Instances, name: str) -> Instances:
    """The cells of one category."""
    return Instances(cells.shape, [c for c in cells if cells.categories.get(c.category) == name])


def _middle(cell: Instance) -> tuple[float, float]:
    y0, x0, y1, x1 = cell.box
    return (y0 + y1) / 2, (x0 + x1) / 2


def _is_in(cell: Instance, part: Area | None) -> bool:
    if part is None:
        return True
    y, x = _middle(cell)
    return part[0] <= y < part[2] and part[1] <= x < part[3]


def differing(comparison: Comparison, *, most: int = 6) -> Iterable[dict[str, Any]]:
    """The images on which the models differ most in F1 at IoU 0.50; six are a choice, as many as one looks through."""
    known = [r for r in comparison.per_image if r["f1_old"] is not None and r["f1_new"] is not None]
    return sorted(known, key=lambda r: -abs(r["f1_new"] - r["f1_old"]))[:most]
