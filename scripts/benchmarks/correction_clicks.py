"""How many actions it takes from the model's prediction to the truth: with the tools here, and in one Labels layer.

    python scripts/benchmarks/correction_clicks.py --data ../shared/data/dsb_overlap_composite --split test

A simulated person knows the truth and uses, cell by cell, the cheapest repair that makes the cell reach the wanted IoU (0.75,
0.9); every repair is carried out with the real tools, and its outcome measured. An action is a key, a click, a drag or a corner
of a polygon; selecting a cell is one, and so is choosing a tool, each time. Looking and accepting are not counted. Boxes and
clicks are off by up to 2 pixels.

In a Labels layer (one value per pixel), the person starts from the same prediction, smaller cells on top, and has picker, brush,
bucket and polygon; what a stroke does to neighbours is not counted. A cell whose visible part cannot reach the IoU with the
whole cell, however it is painted, is impossible there and left as it is. Strokes are counted in the same way for both: one for
each connected region to add or erase, the largest first, until the IoU is reached.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt, label
from skimage.measure import approximate_polygon, find_contours

from napari_centermask.core import tools
from napari_centermask.core.compose import stacked
from napari_centermask.core.instances import Instance, Instances, intersection
from napari_centermask.core.missed import missed
from napari_centermask.core.result import Result
from napari_centermask.core.tools.pairs import drawn, union
from napari_centermask.deploy.benchmark import machine
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.evaluation.matching import covered_fraction, match, pair
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import estimate_diameter, segment, with_card_defaults
from napari_centermask.pipeline.prompt import Prompter
from napari_centermask.settings import LOWEST_SCORE, SegmentSettings

OVERLAP = 0.05  # part of a cell that others share, from which it counts as overlapping
SLIP = 2  # pixels by which a person misses
WORLD = 1 << 20, 1 << 20
TOLERANCE = 1.0  # pixels a polygon may lie beside the outline


@dataclass(frozen=True, order=True)
class Repair:
    """How to get a true cell: what it costs, and what happens to the wrong cells in its place."""

    actions: int
    name: str
    gone: list[Instance] = field(default_factory=list, compare=False)
    left: list[Instance] = field(default_factory=list, compare=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--iou", type=float, nargs="+", default=[0.75, 0.9])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    engine = load_engine(arguments.model, threads=arguments.threads)
    counts = {iou: Count() for iou in arguments.iou}
    for record in read_truth(arguments.data, arguments.split):
        image, truth = read_plane(record.path), list(record.instances)
        settings = with_card_defaults(SegmentSettings(), engine.card)
        settings = settings.model_copy(update={"diameter": estimate_diameter(image, engine, settings)})
        result = Result(record.shape, threshold=settings.score)
        result.put((), segment(image, engine, settings, min_score=LOWEST_SCORE))
        asked = ask(Prompter(engine, image, settings), truth)
        for iou, count in counts.items():
            count.add(record.instances, Here(result, asked, iou), OneLayer(result, truth, iou))
    report = {"data": arguments.data.name, "split": arguments.split, "model": arguments.model, "machine": machine()}
    print(json.dumps(report | {f"iou_{iou}": count.row() for iou, count in counts.items()}, indent=1))


def ask(prompter: Prompter, truth: list[Instance]) -> dict[str, list[Instance | None]]:
    """What the model answers to a box around each true cell, and to a click in it, both a little off."""
    rng = np.random.default_rng(0)
    boxes = [prompter.box(*np.array(t.box) + rng.uniform(-SLIP, SLIP, 4)) for t in truth]
    clicks = [prompter.click(*point_in(t, truth, rng)) for t in truth]
    return {"box": boxes, "click": clicks}


def point_in(cell: Instance, truth: list[Instance], rng: np.random.Generator) -> tuple[int, int]:
    """A pixel deep in a cell, where no other lies if there is such a place."""
    alone = cell.mask.copy()
    for other in truth:
        if other is not cell:
            alone &= ~drawn(other, cell.box)
    depth = distance_transform_edt(np.pad(alone if alone.any() else cell.mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    slip = rng.integers(-SLIP, SLIP + 1, 2) if depth.max() > 2 * SLIP else (0, 0)
    return cell.y0 + int(y) + int(slip[0]), cell.x0 + int(x) + int(slip[1])


def iou_of(a: Instance | None, b: Instance) -> float:
    """IoU of two cells, 0 without one."""
    shared = intersection(a, b) if a is not None else 0
    return shared / (a.area + b.area - shared) if shared else 0.0


class Person:
    """What both sides share: which cells are right already, strokes, polygons, deletions."""

    def __init__(self, cells: list[Instance], iou: float) -> None:
        self.cells, self.iou = cells, iou
        self.open: list[Instance] = []

    def repairs(self, truth: list[Instance]) -> list[Repair | None]:
        """For each true cell the cheapest repair, None where there is none; `open` holds what is left to delete."""
        right, used, _ = match(pair(truth, self.cells), self.iou)
        done: dict[int, Repair | None] = {int(t): Repair(0, "right") for t in right}
        self.open = [c for k, c in enumerate(self.cells) if k not in set(used.tolist())]
        for k, cell in enumerate(truth):
            if k in done:
                continue
            now = next((o for o in self.open if iou_of(o, cell) >= self.iou), None)  # what another's split left
            done[k] = Repair(0, "right", [now]) if now else min(self.options(k, cell, truth), default=None)
            repair = done[k] or Repair(0, "left as it is", [o for o in [self.at(cell)] if o])
            self.open = [o for o in self.open if o not in repair.gone] + repair.left
        return [done[k] for k in range(len(truth))]

    def options(self, k: int, cell: Instance, truth: list[Instance]) -> Iterator[Repair]:
        """The repairs that lead to a true cell."""
        raise NotImplementedError

    def at(self, cell: Instance) -> Instance | None:
        """The wrong cell that a person would repair into this one."""
        best = max(self.open, key=lambda o: iou_of(o, cell), default=None)
        return best if best is not None and iou_of(best, cell) > 0.1 else None

    def merged(self, cell: Instance, extra: int) -> Iterator[Repair]:
        """The cell is in several pieces: an action for each, and some more."""
        inside = [replace(o, id=n) for n, o in enumerate(self.open, 1) if intersection(o, cell) > 0.5 * o.area]
        if len(inside) > 1:
            ((_, whole), *_) = tools.merge(Instances(WORLD, inside), [o.id for o in inside])
            if iou_of(whole, cell) >= self.iou:
                yield Repair(len(inside) + extra, "merge", [self.open[o.id - 1] for o in inside])

    def strokes(self, now: Instance, wanted: Instance) -> int | None:
        """Brush and eraser strokes until a cell is near enough to the wanted one."""
        box = union([now.box, wanted.box])
        have, want = drawn(now, box), drawn(wanted, box)
        regions = []
        for missing, erase in ((want & ~have, False), (have & ~want, True)):
            parts, n = label(missing)
            regions += [(np.count_nonzero(parts == p), erase, parts == p) for p in range(1, n + 1)]
        erased = added = 0
        for _, erase, region in sorted(regions, key=lambda r: -r[0]):
            have = have & ~region if erase else have | region
            erased, added = erased + erase, added + (not erase)
            if np.count_nonzero(have & want) >= self.iou * np.count_nonzero(have | want):
                return erased + added + bool(erased) + bool(added)  # a key for the eraser, one for the brush
        return None


class Here(Person):
    """The tools of this plugin."""

    def __init__(self, result: Result, asked: dict[str, list[Instance | None]], iou: float) -> None:
        super().__init__(list(result.visible(())), iou)
        self.result, self.asked = result, asked
        self.candidates = missed(result, ())

    def options(self, k: int, cell: Instance, truth: list[Instance]) -> Iterator[Repair]:
        place = self.at(cell)
        if place is None:
            if any(iou_of(g, cell) >= self.iou for g in self.candidates):
                yield Repair(2, "accept a candidate")  # next candidate, accept
            for name, answers in self.asked.items():
                if iou_of(answers[k], cell) >= self.iou:
                    yield Repair(2, f"prompt: {name}")  # tool, click or drag
            yield Repair(2 + corners(cell), "polygon")  # tool, corners, end
            return
        if iou_of(self.asked["box"][k], cell) >= self.iou:
            yield Repair(3, "redraw by a box", [place])  # select, tool, drag
        yield Repair(4 + corners(cell), "polygon", [place])  # select, delete, tool, corners, end
        strokes = self.strokes(place, cell)
        if strokes:
            yield Repair(1 + strokes, "paint", [place])
        yield from self.reshaped(place, cell)
        yield from self.split(place, cell, truth)
        yield from self.merged(cell, 1)  # select all, merge

    def reshaped(self, place: Instance, cell: Instance) -> Iterator[Repair]:
        """Shape tools on the wrong cell: select, then a key once or more."""
        cells = Instances(self.result.shape, [place])
        repairs = [
            (1, "fill holes", tools.fill_holes(cells, [place.id])),
            (1, "smooth", tools.smooth(cells, [place.id], 2)),
        ]
        for n in range(1, 5):
            repairs += [
                (n, "grow", tools.grow(cells, [place.id], n)),
                (n, "shrink", tools.shrink(cells, [place.id], n)),
            ]
        for keys, name, pairs in repairs:
            if pairs and iou_of(pairs[0][1], cell) >= self.iou:
                yield Repair(1 + keys, name, [place])

    def split(self, place: Instance, cell: Instance, truth: list[Instance]) -> Iterator[Repair]:
        """The wrong cell is several: select it, a key, and for a line or seeds what is drawn."""
        cells = Instances(self.result.shape, [place])
        within = [t for t in truth if intersection(place, t) > 0.5 * t.area]
        if len(within) < 2:
            return
        repairs = [(2, "split, automatic", tools.split_auto(cells, place.id))]
        seeds = np.array([middle(t) for t in within])
        repairs.append((3 + len(seeds), "split by seeds", tools.split_seeds(cells, place.id, seeds)))
        for other in within:
            if other is not cell:
                repairs.append((3, "split by a line", tools.split_line(cells, place.id, between(cell, other))))
        for cost, name, pairs in repairs:
            parts = [after for _, after in pairs]
            right = next((p for p in parts if iou_of(p, cell) >= self.iou), None)
            if right is not None:
                yield Repair(cost, name, [place], [p for p in parts if p is not right])


class OneLayer(Person):
    """napari's own tools on one Labels layer: picker, brush, eraser, bucket, polygon."""

    def __init__(self, result: Result, truth: list[Instance], iou: float) -> None:
        super().__init__(list(visible_parts(list(result.visible(()))).values()), iou)
        self.parts = visible_parts(truth)

    def options(self, k: int, cell: Instance, truth: list[Instance]) -> Iterator[Repair]:
        wanted = self.parts.get(cell.id)
        if iou_of(wanted, cell) < self.iou:
            return  # impossible: too much of it lies under others
        place = self.at(cell)
        if place is None:
            yield Repair(3 + corners(wanted), "polygon")  # new label, tool, corners, end
            return
        yield Repair(5 + corners(wanted), "polygon", [place])  # bucket, click, new label, tool, corners, end
        strokes = self.strokes(place, wanted)
        if strokes:
            yield Repair(2 + strokes, "paint", [place])  # picker, click on the cell
        yield from self.merged(cell, 2)  # picker, click, bucket, a click on each other


def visible_parts(cells: list[Instance]) -> dict[int, Instance]:
    """What a label image keeps of each cell when smaller ones lie on top."""
    shape = max(c.box[2] for c in cells), max(c.box[3] for c in cells)
    labels = np.zeros(shape, np.int64)
    for cell in sorted(stacked(cells), key=lambda c: -c.area):
        y0, x0, y1, x1 = cell.box
        labels[y0:y1, x0:x1][cell.mask] = cell.id
    crops = {c.id: labels[c.y0 : c.box[2], c.x0 : c.box[3]] == c.id for c in cells}
    return {c.id: Instance.from_mask(crops[c.id], (c.y0, c.x0), id=c.id) for c in cells if crops[c.id].any()}


def corners(cell: Instance) -> int:
    """Corners of a polygon within a pixel of the cell's outline, of all its parts."""
    outlines = find_contours(np.pad(cell.mask, 1).astype(float), 0.5)
    return sum(len(approximate_polygon(line, TOLERANCE)) - 1 for line in outlines)


def middle(cell: Instance) -> np.ndarray:
    return np.argwhere(cell.mask).mean(axis=0) + (cell.y0, cell.x0)


def between(a: Instance, b: Instance) -> np.ndarray:
    """A line across the way from one cell's middle to the other's."""
    first, second = middle(a), middle(b)
    along = second - first
    across = np.array([-along[1], along[0]]) / max(np.hypot(*along), 1e-6)
    reach = max(*a.mask.shape, *b.mask.shape)
    return np.array([(first + second) / 2 - reach * across, (first + second) / 2 + reach * across])


class Count:
    """Sums over the images for one IoU."""

    def __init__(self) -> None:
        self.rows: list[tuple[Repair, Repair | None, bool]] = []
        self.extra = {"here": 0, "one layer": 0}

    def add(self, truth: Instances, here: Person, layer: Person) -> None:
        """An image's true cells, after both sides did their work."""
        cells = list(truth)
        overlapping = covered_fraction(truth) >= OVERLAP
        self.rows += zip(here.repairs(cells), layer.repairs(cells), overlapping.tolist(), strict=True)
        self.extra["here"] += len(here.open)
        self.extra["one layer"] += len(layer.open)

    def row(self) -> dict:
        """Actions per cell; deletions of what is too much come on top, shared out over all cells."""
        n = len(self.rows)
        both = [(a, b) for a, b, _ in self.rows if b is not None]
        deletions = {side: 2 * count / n for side, count in self.extra.items()}
        overlapping = [(a, b) for a, b, o in self.rows if o]
        return {
            "cells": n,
            "right at once": {
                "here": _part(a for a, _, _ in self.rows),
                "one layer": _part(b for _, b, _ in self.rows),
            },
            "impossible in one layer": {
                "cells": n - len(both),
                "of overlapping": sum(b is None for _, b in overlapping),
            },
            "overlapping": len(overlapping),
            "actions per cell, all": {"here": _mean([a for a, _, _ in self.rows]) + deletions["here"]},
            "actions per cell, where one layer can": {
                "here": _mean([a for a, _ in both]) + deletions["here"],
                "one layer": _mean([b for _, b in both]) + deletions["one layer"],
            },
            "actions per wrong cell, where one layer can": {
                "here": _mean([a for a, b in both if a.actions or b.actions]),
                "one layer": _mean([b for a, b in both if a.actions or b.actions]),
            },
            "deleted": self.extra,
            "ways": {
                "here": dict(Counter(a.name for a, _, _ in self.rows).most_common()),
                "one layer": dict(Counter(b.name if b else "impossible" for _, b, _ in self.rows).most_common()),
            },
        }


def _mean(repairs: list[Repair]) -> float:
    return round(sum(w.actions for w in repairs) / max(len(repairs), 1), 3)


def _part(repairs: Iterable[Repair | None]) -> float:
    repairs = list(repairs)
    return round(sum(w is not None and w.name == "right" for w in repairs) / max(len(repairs), 1), 3)


if __name__ == "__main__":
    main()
