"""Splits without leaks: what shows the same cells never stands on both sides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import BadAnnotations, BadSettings
from ..core.instances import Box, Instance, Instances
from ..evaluation.compare import FEW_SOURCES
from ..io.coco import ImageRecord
from ..io.groups import sources_of
from ..io.reviewed import is_centred, is_partial, truth_of

TRIES = 50
"""Orders of the sources that are tried for one that holds out about as many cells as wished."""


@dataclass(frozen=True)
class Split:
    """Records to learn from and records to judge by.

    Attributes
    ----------
    kind
        "images", or "regions" where the sources are so few that each had to be cut in two.
    n_groups
        Sources in all. With few of them the figures of a single split are uncertain.
    """

    train: list[ImageRecord]
    val: list[ImageRecord]
    kind: str
    n_groups: int


def split(records: Sequence[ImageRecord], *, val_part: float = 0.2, seed: int = 0) -> Split:
    """Hold about `val_part` of the cells out, by whole sources.

    Only what was reviewed in full or in regions can judge a model. Where that are fewer than `FEW_SOURCES` sources, each is cut
    into two places: one whole image would speak for itself alone, and nothing be learned from it.

    Parameters
    ----------
    records
        Images of which something is known.
    val_part
        Part of the cells to hold out; at least one source.

    Raises
    ------
    BadAnnotations
        If nothing was reviewed in full or in regions.
    BadSettings
        If the part is none, or all.
    """
    if not 0 < val_part < 1:
        raise BadSettings(
            f"Expected a part of the cells between 0 and 1 to hold out, got {val_part:g}. Choose about 0.2."
        )
    groups: dict[str, list[ImageRecord]] = {}
    for record, source in zip(records, sources_of(records), strict=True):
        groups.setdefault(source, []).append(record)
    partial = is_partial(records)
    judges = [n for n in sorted(groups) if any(truth_of(r, partial=partial).reviewed != () for r in groups[n])]
    if not judges:
        raise BadAnnotations(
            "Expected an image or a region that was reviewed in full, to judge the new model by; found single cells only. "
            "Mark a region as reviewed in which all cells are right and complete."
        )
    if len(judges) < FEW_SOURCES:
        train, val = _cut_places([r for name in judges for r in groups.pop(name)], val_part, partial=partial)
        return Split([*train, *(r for g in groups.values() for r in g)], val, "regions", len(groups) + len(judges))
    sizes = {name: 1 + sum(len(r.instances) for r in group) for name, group in groups.items()}
    chosen = _choose(judges, sizes, wanted=val_part * sum(sizes.values()), rng=np.random.default_rng(seed))
    val = [r for name in chosen for r in groups[name]]
    train = [r for name in sorted(groups) if name not in chosen for r in groups[name]]
    return Split(train, val, "images", len(groups))


def _choose(names: list[str], sizes: dict[str, int], *, wanted: float, rng: np.random.Generator) -> list[str]:
    """Sources of about `wanted` cells: the first random draw that is off by no more than a factor of two, or the closest."""
    draws = [_greedy(list(rng.permutation(names)), sizes, wanted) for _ in range(TRIES)]
    return min(draws, key=lambda d: max(math.log(2), abs(math.log(sum(sizes[n] for n in d) / wanted))))


def _greedy(names: list[str], sizes: dict[str, int], wanted: float) -> list[str]:
    """From the first on, each source that brings the sum closer to the wish; one must stay to learn from."""
    chosen, held = [names[0]], sizes[names[0]]
    for name in names[1:]:
        if len(chosen) < len(names) - 1 and held + sizes[name] / 2 <= wanted:
            chosen.append(name)
            held += sizes[name]
    return chosen


def _cut_places(
    records: list[ImageRecord], part: float, *, partial: bool
) -> tuple[list[ImageRecord], list[ImageRecord]]:
    """Cut each image, or each reviewed region, across its longer side; one in `part` of its length is held out.

    Images of single cells only are of no use to judge by: they stay to learn from, but for the places that are held out.
    """
    whole = [r for r in records if truth_of(r, partial=partial).reviewed != ()]
    pairs = [_cut_place(record, part) for record in whole]
    held = [box for _, val in pairs for box in val.reviewed]
    single = [_limited(r, (), held) for r in records if all(r is not w for w in whole)]
    return [*(a for a, _ in pairs), *single], [b for _, b in pairs]


def _cut_place(record: ImageRecord, part: float) -> tuple[ImageRecord, ImageRecord]:
    regions = record.reviewed or ((0, 0, *record.shape),)
    if len(regions) > 1 and not _overlap(regions):
        n_val = max(1, round(part * len(regions)))
        train, val = regions[n_val:], regions[:n_val]
    else:
        cells = [c for c in record.instances if c.status != "rejected"]
        halves = [_halves(box, part, [c for c in cells if is_centred(c, [box])]) for box in regions]
        train, val = tuple(a for a, _ in halves), tuple(b for _, b in halves)
    return _limited(record, train, val), _limited(record, val, train)


def _overlap(boxes: Sequence[Box]) -> bool:
    return any(
        max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3])
        for n, a in enumerate(boxes)
        for b in boxes[:n]
    )


def _halves(box: Box, part: float, cells: Sequence[Instance]) -> tuple[Box, Box]:
    """The larger and the smaller part of a rectangle; where one would hold none of its cells, about a part of the cells."""
    y0, x0, y1, x1 = box
    axis = 0 if y1 - y0 >= x1 - x0 else 1
    at = box[axis + 2] - max(1, round(part * (box[axis + 2] - box[axis])))
    middles = sorted((c.box[axis] + c.box[axis + 2]) / 2 for c in cells)
    if middles and not middles[0] < at <= middles[-1]:
        at = max(box[axis] + 1, int(middles[-max(1, round(part * len(middles)))]))
    if axis == 0:
        return (y0, x0, at, x1), (at, x0, y1, x1)
    return (y0, x0, y1, at), (y0, at, y1, x1)


def _limited(record: ImageRecord, regions: Sequence[Box], others: Sequence[Box]) -> ImageRecord:
    """The record with some of its regions; the cells of the others count as not looked at."""
    regions = tuple(r for r in regions if r[0] < r[2] and r[1] < r[3])

    def limited(cell: Instance) -> Instance:
        is_other = cell.status != "rejected" and is_centred(cell, others)
        return replace(cell, status="predicted") if is_other else cell

    cells = Instances(record.shape, map(limited, record.instances), categories=record.instances.categories)
    return replace(record, reviewed=regions, instances=cells)
