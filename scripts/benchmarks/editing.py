"""How long an edit takes with thousands of overlapping cells, and what opening them costs in time and memory.

    python scripts/benchmarks/editing.py                 # 5,000 cells on 4096 x 4096 and 50,000 on 16,384 x 16,384

CPU time of the process (not wall time, so that other programs disturb it little), median and 95th percentile of --repeats
runs of each: commit of a brush stroke, undo, split (by a line, by seeds, automatic), merge, switch to another cell. An edit goes
through the history and brings the views (top-most cell, outlines, hatch) and the table's columns in line; drawing on the
screen is left out. Cells are wobbly ellipses at random places, so that a fifth of the foreground is under several.
Each size is a process of its own; memory is what opening adds beyond the image, anonymous pages, and its peak.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from napari_centermask.core import tools
from napari_centermask.core.columns import Columns
from napari_centermask.core.compose import Views
from napari_centermask.core.history import Edit, History
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.core.tools.pairs import neighbours, not_rejected
from napari_centermask.deploy.benchmark import machine
from napari_centermask.io.coco import ImageRecord, read_coco, write_coco

SIZES = {4096: 5_000, 16_384: 50_000}
RADII = 12.0, 28.0
BRUSH = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, repeats=arguments.repeats)))
        return
    rows = []
    for side in arguments.sides:
        command = [sys.executable, __file__, "--one", str(side), "--repeats", str(arguments.repeats)]
        rows.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
    print(json.dumps({"machine": machine(), "load": os.getloadavg()[0], "core": rows}, indent=1))


def crowd(n: int, side: int, *, seed: int = 1) -> Instances:
    """Wobbly ellipses at random places of a square image."""
    rng = np.random.default_rng(seed)
    cells = Instances((side, side))
    yy, xx = np.mgrid[-40:41, -40:41].astype(np.float32)
    for order in range(n):
        radii, angle = rng.uniform(*RADII, 2), rng.uniform(0, np.pi)
        v, u = yy * np.cos(angle) + xx * np.sin(angle), xx * np.cos(angle) - yy * np.sin(angle)
        theta = np.arctan2(v / radii[0], u / radii[1])
        rim = 1 + 0.1 * sum(np.cos((k + 2) * theta + rng.uniform(0, 2 * np.pi)) for k in range(3)) / 3
        y, x = rng.integers(40, side - 41, 2) - 40
        mask = np.hypot(v / radii[0], u / radii[1]) <= rim
        score = float(rng.uniform(0.4, 1))
        cells.add(Instance.from_mask(mask, (y, x), score=score, order=float(order), source="synthetic"))
    return cells


class Board:
    """A result with all that follows its edits, without a window."""

    def __init__(self, result: Result) -> None:
        self.result, self.history = result, History(result)
        self.views = Views(result.plane(()), shows=result.shows)
        self.columns = Columns(result)
        self.history.listen(self._follow)

    def _follow(self, edit: Edit) -> None:
        self.views.update(ids=[c.id for c in edit.changes])
        self.columns.update(edit)

    def run(self, name: str, pairs: list[tools.Pair]) -> None:
        """Apply what a tool returned."""
        self.history.do(name, tools.to_changes(pairs, (), self.result))

    def switch(self, id: int) -> None:
        """Select a cell and find its neighbours."""
        self.views.set_active(id)
        cell = self.result.get((), id)
        self.views.at(cell.y0 + cell.mask.shape[0] // 2, cell.x0 + cell.mask.shape[1] // 2)


def measure(side: int, *, repeats: int) -> dict:
    """All figures of one size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "annotations.json"
        write_coco(path, [ImageRecord(1, "image.tif", None, (side, side), crowd(SIZES[side], side))])
        gc.collect()
        image = np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)
        before = _anonymous_mb()
        with cpu() as reading:
            instances = read_coco(path)[0].instances
        with cpu() as showing:
            result = Result((side, side))
            result.put((), instances, keep_ids=True)
            del instances
            board = Board(result)
    gc.collect()
    opened = _anonymous_mb() - before
    overlap = np.count_nonzero(board.views.count > 1) / np.count_nonzero(board.views.count)
    operations = {name: _times(action) for name, action in _actions(board, repeats).items()}
    return {
        "side": side,
        "cells": SIZES[side],
        "overlap": round(overlap, 3),
        "deepest": int(board.views.count.max()),
        "image_mb": round(image.nbytes / 2**20, 1),
        "reading_s": round(reading[0], 2),
        "showing_s": round(showing[0], 2),
        "opened_mb": round(opened, 1),
        "after_edits_mb": round(_anonymous_mb() - before, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before, 1),
        "ms": operations,
    }


def _actions(board: Board, repeats: int) -> dict[str, Iterator[Callable[[], object]]]:
    """For each operation, one function after another to be timed; what prepares it is not."""
    rng = np.random.default_rng(2)

    def some() -> Instance:
        return board.result.get((), int(rng.choice(board.columns.data["id"][board.columns.alive()])))

    def plane() -> Instances:
        return board.result.plane(())

    def strokes(mode: tools.Mode = "overlap") -> Iterator[Callable]:
        for _ in range(repeats):
            cell = some()
            mask, origin = stroke(cell, rng)
            yield lambda: board.run("stroke", tools.commit(plane(), cell.id, mask, origin, mode))  # noqa: B023

    def undos() -> Iterator[Callable]:
        for _ in range(repeats):
            cell = some()
            board.run("stroke", tools.commit(plane(), cell.id, *stroke(cell, rng)))
            yield board.history.undo

    def splits(kind: str) -> Iterator[Callable]:
        for _ in range(repeats):
            cell = some()
            near = neighbours(plane(), cell.box, not_rejected)[:2]
            if kind == "auto" and len(near) > 1:  # two cells that a model took for one
                board.run("merge", tools.merge(plane(), [i.id for i in near]))
                cell = max((plane()[i.id] for i in near if i.id in plane()), key=lambda i: i.area)
            y0, x0, y1, x1 = cell.box
            if kind == "auto":
                yield lambda: board.run("split", tools.split_auto(plane(), cell.id))  # noqa: B023
            elif kind == "line":
                line = np.array([(y0 - 2, (x0 + x1) / 2), (y1 + 2, (x0 + x1) / 2)])
                yield lambda: board.run("split", tools.split_line(plane(), cell.id, line))  # noqa: B023
            else:
                seeds = rng.permutation(np.argwhere(cell.mask))[:2] + (y0, x0)
                yield lambda: board.run("split", tools.split_seeds(plane(), cell.id, seeds))  # noqa: B023

    def merges() -> Iterator[Callable]:
        for _ in range(repeats):
            cell = some()
            near = neighbours(plane(), cell.box, not_rejected)[:3]
            yield lambda: board.run("merge", tools.merge(plane(), [cell.id, *(i.id for i in near)]))  # noqa: B023

    def switches() -> Iterator[Callable]:
        for _ in range(repeats):
            id = some().id
            yield lambda: board.switch(id)  # noqa: B023

    return {
        "commit": strokes(),
        "commit, take over": strokes("take over"),
        "commit, keep out": strokes("keep out"),
        "undo": undos(),
        "split by a line": splits("line"),
        "split by seeds": splits("seeds"),
        "split, automatic": splits("auto"),
        "merge": merges(),
        "switch": switches(),
    }


def stroke(cell: Instance, rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    """The cell with a short brush stroke at its rim: a window of the plane, and its origin."""
    margin = 3 * BRUSH
    y0, x0 = max(0, cell.y0 - margin), max(0, cell.x0 - margin)
    mask = np.pad(cell.mask, ((cell.y0 - y0, margin), (cell.x0 - x0, margin)))
    yy, xx = np.mgrid[: mask.shape[0], : mask.shape[1]]
    on = rng.permutation(np.argwhere(cell.mask))[0] + (cell.y0 - y0, cell.x0 - x0)
    for step in rng.integers(-BRUSH, BRUSH, (4, 2)):
        mask = mask | (np.hypot(*(np.stack([yy, xx], -1) - on - step).transpose(2, 0, 1)) <= BRUSH)
    return mask, (y0, x0)


def _times(actions: Iterator[Callable[[], object]]) -> dict[str, float]:
    """Median and 95th percentile of the CPU time, ms; the first call, which imports, is reported apart."""
    seconds = []
    for action in actions:
        with cpu() as spent:
            action()
        seconds.append(1000 * spent[0])
    first, *rest = seconds
    p95 = statistics.quantiles(rest, n=20)[-1]
    return {"p50": round(statistics.median(rest), 2), "p95": round(p95, 2), "first": round(first, 1)}


@contextmanager
def cpu() -> Iterator[list[float]]:
    """CPU seconds of this process within the block, as the list's one value."""
    spent: list[float] = []
    start = time.process_time()
    yield spent
    spent.append(time.process_time() - start)


def _anonymous_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


if __name__ == "__main__":
    main()
