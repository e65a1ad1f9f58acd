"""Splits without leaks: images of the same cells are never in both splits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from napari_centermask.core.errors import BadAnnotations, BadSettings
from napari_centermask.core.instances import Box, Instance, Instances
from napari_centermask.core.result import centre
from napari_centermask.evaluation.compare import FEW_SOURCES
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.groups import sources_of
from napari_centermask.io.reviewed import is_centred, is_partial, truth_of
from napari_centermask.io.trained_on import TrainedOn, overlap, places_in

T = TypeVar("T")
TRIES = 50
"""Random orders of the sources to try for one that holds out about the wanted number of cells; chosen, takes milliseconds."""


@dataclass(frozen=True)
class Split:
    """Records to train on and records to validate on.

    Attributes
    ----------
    kind
        "images", or "regions" if there are so few sources that each had to be cut in two.
    n_groups
        Number of sources. With few of them, the metrics of a single split are uncertain.
    """

    train: list[ImageRecord]
    val: list[ImageRecord]
    kind: str
    n_groups: int


def hold_out(
    records: Sequence[ImageRecord],
    *,
    val_part: float = 0.2,
    seed: int = 0,
    trained_on: TrainedOn = MappingProxyType({}),
) -> Split:
    """Hold at most `val_part` of the cells out, and if possible more than half of that, by whole sources.

    Only images reviewed in full or in regions can validate a model. With fewer than `FEW_SOURCES` such sources, each is cut
    into two places, as a single held-out image would represent only itself and could not be trained on. A start model that
    was trained on one of the places is validated on the other again, until there are as many new sources. If no choice of the
    sources that it was not trained on has between half of the wanted cells and all of them, places are held out too, and it
    may have been trained on some of them.

    Parameters
    ----------
    records
        Images that were reviewed at least in part.
    val_part
        Fraction of the cells to hold out; at least one source.
    trained_on
        What the start model was trained on: a source with such a place is not held out as a whole.

    Raises
    ------
    BadAnnotations
        If nothing was reviewed in full or in regions.
    BadSettings
        If the fraction is not between 0 and 1.
    """
    if not 0 < val_part < 1:
        raise BadSettings(
            f"The fraction of cells to hold out must be between 0 and 1, not {val_part:g}. Choose about 0.2."
        )
    groups: dict[str, list[ImageRecord]] = {}
    for record, source in zip(records, sources_of(records), strict=True):
        groups.setdefault(source, []).append(record)
    partial = is_partial(records)
    judges = [n for n in sorted(groups) if any(truth_of(r, partial=partial).reviewed != () for r in groups[n])]
    if not judges:
        raise BadAnnotations(
            "Only single cells were reviewed, so the new model cannot be validated. "
            "Mark a region as reviewed in which all cells are correct and none is missing."
        )
    sizes = {name: 1 + sum(len(r.instances) for r in group) for name, group in groups.items()}
    wanted = val_part * sum(sizes.values())
    known = {r.path: places_in(r, trained_on) for r in {r.path: r for r in records}.values()}
    fresh = [n for n in judges if not any(known[r.path] for r in groups[n])]
    most = len(fresh) if len(fresh) < len(groups) else len(fresh) - 1  # something must be left to train on
    chosen = _choose(fresh, sizes, wanted, most=most, rng=np.random.default_rng(seed)) if most else []
    fits = wanted / 2 <= sum(sizes[n] for n in chosen) <= wanted
    if len(judges) < FEW_SOURCES or len(fresh) < len(judges) or not fits:
        cut = [_cut_source(groups[name], val_part, partial=partial, known=known) for name in judges]
        train, val = ([r for sides in cut for r in sides[k]] for k in (0, 1))
        is_clean = not any(overlap(r.reviewed, known[r.path]) for r in val)
        if (is_clean and len(fresh) < FEW_SOURCES) or not fits:
            rest = [r for name, group in groups.items() if name not in judges for r in group]
            return Split([*train, *rest], val, "regions", len(groups))
    val = [r for name in chosen for r in groups[name]]
    train = [r for name in sorted(groups) if name not in chosen for r in groups[name]]
    return Split(train, val, "images", len(groups))


def _choose(
    names: list[str], sizes: dict[str, int], wanted: float, *, most: int, rng: np.random.Generator
) -> list[str]:
    """Sources with at most `wanted` cells, or the smallest: the first random draw with half of that or more, or the closest."""
    draws = [_greedy(list(rng.permutation(names)), sizes, wanted, most=most) for _ in range(TRIES)]
    return min(draws, key=lambda d: max(math.log(2), abs(math.log(sum(sizes[n] for n in d) / wanted))))


def _greedy(names: Sequence[T], sizes: Mapping[T, int], wanted: float, *, most: int) -> list[T]:
    """Take each source that fits into the target, at most so many; the smallest if none fits."""
    chosen: list[T] = []
    held = 0
    for name in names:
        if len(chosen) < most and held + sizes[name] <= wanted:
            chosen.append(name)
            held += sizes[name]
    return chosen or [min(names, key=lambda name: sizes[name])]


def _cut_source(
    records: Sequence[ImageRecord], part: float, *, partial: bool, known: Mapping[Path | None, Sequence[Box]]
) -> tuple[list[ImageRecord], list[ImageRecord]]:
    """Hold out places in the images of a source, with about `part` of the reviewed cells of each.

    A place is held out in all images of the source, as frames and planes show the same cells. Images in which only single
    cells were reviewed are of no use for validation; they are trained on.
    """
    regions = [_regions(r) if truth_of(r, partial=partial).reviewed != () else () for r in records]
    places = [_places(r, own, part, known[r.path]) for r, own in zip(records, regions, strict=True)]
    held = [box for own in places for box in own]
    left = [_without(own, held) for own in regions]
    train = [_limited(r, own, held) for r, own in zip(records, left, strict=True)]
    val = [_limited(r, own, rest) for r, own, rest in zip(records, places, left, strict=True) if own]
    return train, val


def _regions(record: ImageRecord) -> tuple[Box, ...]:
    return tuple(record.reviewed) or ((0, 0, *record.shape),)


def _places(record: ImageRecord, regions: Sequence[Box], part: float, known: Sequence[Box]) -> list[Box]:
    """Whole regions if several have cells, else a part of each across its longer side."""
    cells = [c for c in record.instances if c.status != "rejected"]
    inside = {box: [c for c in cells if is_centred(c, [box])] for box in regions}
    filled = [box for box in inside if inside[box]]
    if len(filled) < 2 or any(overlap([box], [b for b in regions if b != box]) for box in regions):
        return [half for box in inside if _is_box(half := _held_half(box, part, inside[box]))]
    sizes = {box: len(inside[box]) for box in filled}
    wanted = part * sum(sizes.values())
    fresh = [box for box in filled if not overlap([box], known)] or filled
    order = sorted(fresh, key=lambda box: abs(sizes[box] - wanted))
    return _greedy(order, sizes, wanted, most=len(filled) - 1)


def _without(boxes: Sequence[Box], holes: Sequence[Box]) -> list[Box]:
    """The rectangles minus the holes, as rectangles."""
    left = list(boxes)
    for hole in holes:
        left = [rest for box in left for rest in _around(box, hole)]
    return left


def _around(box: Box, hole: Box) -> list[Box]:
    if not overlap([box], [hole]):
        return [box]
    y0, x0, y1, x1 = box
    top, bottom = max(y0, hole[0]), min(y1, hole[2])
    parts = [(y0, x0, top, x1), (bottom, x0, y1, x1), (top, x0, bottom, hole[1]), (top, hole[3], bottom, x1)]
    return [part for part in parts if _is_box(part)]


def _is_box(box: Box) -> bool:
    return box[0] < box[2] and box[1] < box[3]


def _held_half(box: Box, part: float, cells: Sequence[Instance]) -> Box:
    """The smaller part of a rectangle; if it would hold no cell or more than `part` of them, the part with that many."""
    y0, x0, y1, x1 = box
    axis = 0 if y1 - y0 >= x1 - x0 else 1
    at = box[axis + 2] - max(1, round(part * (box[axis + 2] - box[axis])))
    middles = sorted(centre(c)[axis] + 0.5 for c in cells)  # as in `is_centred`
    most = max(1, int(part * len(middles)))
    if middles and not 1 <= sum(middle >= at for middle in middles) <= most:
        at = math.ceil((middles[-most - 1] + middles[-most]) / 2) if most < len(middles) else int(middles[0])
        if at > middles[-1]:  # the last cells lie in one line
            at = int(middles[-most])
        at = max(box[axis] + 1, at)
    return (at, x0, y1, x1) if axis == 0 else (y0, at, y1, x1)


def _limited(record: ImageRecord, regions: Sequence[Box], others: Sequence[Box]) -> ImageRecord:
    """The record with some of its regions; the cells of the others count as not reviewed."""

    def limited(cell: Instance) -> Instance:
        is_other = cell.status != "rejected" and is_centred(cell, others)
        return replace(cell, status="predicted") if is_other else cell

    cells = Instances(record.shape, map(limited, record.instances), categories=record.instances.categories)
    return replace(record, reviewed=tuple(regions), instances=cells)
