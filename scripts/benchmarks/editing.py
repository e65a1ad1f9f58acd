"""How long an edit takes with thousands of overlapping cells, and how much time and memory opening them takes.

    python scripts/benchmarks/editing.py                          # 5,000 cells on 4096 x 4096, 50,000 on 16,384 x 16,384
    xvfb-run -a python scripts/benchmarks/editing.py --on napari  # the same with a viewer, its layers and the selection

CPU time of the process (not wall time, so that other programs hardly matter), median and 95th percentile of --repeats runs of
each: commit of a brush stroke, undo, split (by a line, by seeds, automatic), merge, switch to another cell. An edit goes through
the history and updates the views (top-most cell, outlines, hatch) and the table's columns; in napari also the layers, except for
drawing them on the screen. What is updated after a series of edits (features and colours) is "settle", here after one stroke.
Cells are wobbly ellipses at random places, so that several cells share a fifth of the foreground. Each size runs in a separate
process; memory is what opening adds to the image (in napari: to a viewer with the image), in anonymous pages.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from napari_centermask.core.columns import Columns
from napari_centermask.core.compose import Views
from napari_centermask.core.history import Edit, History
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.core.tools import TOOLS
from napari_centermask.core.tools.pairs import neighbours, not_rejected
from napari_centermask.core.tools.region import Mode
from napari_centermask.deploy.benchmark import machine
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord

SIZES = {4096: 5_000, 16_384: 50_000}
RADII = 12.0, 28.0
BRUSH = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--on", choices=["core", "napari"], default="core")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, on=arguments.on, repeats=arguments.repeats)), flush=True)
        os._exit(0)  # nothing to tidy up
    rows = []
    for side in arguments.sides:
        command = [
            sys.executable,
            __file__,
            "--one",
            str(side),
            "--on",
            arguments.on,
            "--repeats",
            str(arguments.repeats),
        ]
        with tempfile.TemporaryDirectory() as home:  # for the journal that napari's process keeps of unsaved work
            env = os.environ | {"XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    print(json.dumps({"machine": machine(), "load": os.getloadavg()[0], "on": arguments.on, "sizes": rows}, indent=1))


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


class Core:
    """A result with all that follows its edits, without a window."""

    def __init__(self, image: np.ndarray) -> None:
        self.image = image

    def open(self, instances: Instances) -> None:
        """Show the cells."""
        self.result = Result(self.image.shape)
        self.result.put((), instances, keep_ids=True)
        self.history = History(self.result)
        self.views = Views(self.result.plane(()), shows=self.result.shows)
        self.columns = Columns(self.result)
        self.history.listen(self._follow)

    def _follow(self, edit: Edit) -> None:
        self.views.update(ids=[c.id for c in edit.changes])
        self.columns.update(edit)

    def select(self, *ids: int) -> None:
        """Make cells the selected ones, the first the active one, and look which lie there."""
        self.ids = ids
        self.views.set_active(ids[0])
        cell = self.result.get((), ids[0])
        self.views.at(cell.y0 + cell.mask.shape[0] // 2, cell.x0 + cell.mask.shape[1] // 2)

    def painted(self, cell: Instance, dabs: np.ndarray, mode: Mode) -> Callable[[], object]:
        """Paint dabs (n, 2) on a cell; returns what commits them."""
        self.select(cell.id)
        mask, origin = stroke(cell, dabs)
        return lambda: self.run("paint", mask=mask, origin=origin, mode=mode)

    def run(self, tool: str, **arguments) -> None:
        """Apply a tool to the selected cells."""
        chosen = TOOLS[tool]
        changes = chosen.changes(self.result, (), chosen.targets(self.ids), **arguments)
        self.history.do(chosen.edit_name(self.ids), changes)

    def undo(self) -> None:
        """Take the last edit back."""
        self.history.undo()

    def draw(self) -> None:
        """There is nothing to draw on."""

    def settle(self) -> None:
        """Nothing waits."""


class Napari:
    """The correction in a viewer, as a person meets it."""

    def __init__(self, image: np.ndarray) -> None:
        import napari

        from napari_centermask.widgets.viewer.state import session_of

        self.viewer = napari.Viewer()
        self.source = self.viewer.add_image(image, name="image")
        self.viewer.add_labels(np.zeros((8, 8), np.uint8), name="first")  # what napari imports for its first labels
        self.session = session_of(self.viewer)

    def open(self, instances: Instances) -> None:
        """Show the cells."""
        from napari_centermask.widgets.edit.correction import edit_session_of
        from napari_centermask.widgets.viewer.planes import ImagePlanes

        self.result = Result(instances.shape)
        self.result.put((), instances, keep_ids=True)
        self.session.attach(self.source, ImagePlanes.of(self.source), self.result)
        self.edits = edit_session_of(self.session, self.source)
        self.columns = Columns(self.result)
        self.edits.edited.connect(self.columns.update)
        self.select(next(iter(self.result)).id)

    def draw(self) -> None:
        """Draw once: before that napari has no textures, of which edits change a part."""
        from qtpy.QtWidgets import QApplication

        for _ in range(5):
            QApplication.processEvents()
        self.viewer.screenshot(flash=False)

    @property
    def views(self) -> Views:
        """Of the plane."""
        return self.edits.shown.layers._views[()]

    def select(self, *ids: int) -> None:
        """Select cells."""
        self.edits.select(ids)

    def painted(self, cell: Instance, dabs: np.ndarray, mode: Mode) -> Callable[[], object]:
        """Paint dabs (n, 2) on a cell as the brush does; returns what commits them."""
        self.edits.mode = mode
        self.select(cell.id)
        layer = self.edits.active.layer
        layer.brush_size = 2 * BRUSH
        for y, x in dabs:
            layer.paint((y, x), 1)
        return self.edits.flush

    def run(self, tool: str, **arguments) -> None:
        """Apply a tool to the selected cells."""
        self.edits.run_tool(tool, **arguments)

    def undo(self) -> None:
        """Take the last edit back."""
        self.edits.undo()

    def settle(self) -> None:
        """Features and colours."""
        self.session.settle()


Board = Core | Napari


def measure(side: int, *, on: str, repeats: int) -> dict:
    """All figures of one size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "annotations.json"
        write_coco(path, [ImageRecord(1, "image.tif", None, (side, side), crowd(SIZES[side], side))])
        gc.collect()
        image = np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)
        board = Core(image) if on == "core" else Napari(image)
        before = _anonymous_mb()
        with cpu() as reading:
            instances = read_coco(path)[0].instances
        with cpu() as showing:
            board.open(instances)
        del instances
    gc.collect()
    opened = _anonymous_mb() - before
    board.draw()
    drawn = _anonymous_mb() - before
    overlap = np.count_nonzero(board.views.count > 1) / np.count_nonzero(board.views.count)
    operations = {name: _times(action) for name, action in _actions(board, repeats).items()}
    board.settle()
    commit, *_ = _actions(board, 1)["commit"]
    commit()
    with cpu() as settling:
        board.settle()
    return {
        "side": side,
        "cells": SIZES[side],
        "overlap": round(overlap, 3),
        "deepest": int(board.views.count.max()),
        "image_mb": round(image.nbytes / 2**20, 1),
        "reading_s": round(reading[0], 2),
        "showing_s": round(showing[0], 2),
        "opened_mb": round(opened, 1),
        "drawn_mb": round(drawn, 1),
        "after_edits_mb": round(_anonymous_mb() - before, 1),
        "ms": operations | {"settle": round(1000 * settling[0], 1)},
    }


def _actions(board: Board, repeats: int) -> dict[str, Iterator[Callable[[], object]]]:
    """For each operation, one function after another to be timed; what prepares it is not."""
    rng = np.random.default_rng(2)

    def some() -> Instance:
        return board.result.get((), int(rng.choice(board.columns.data["id"][board.columns.alive()])))

    def pair() -> list[int]:
        cell = some()
        near = neighbours(board.result.plane(()), cell.box, not_rejected)
        return list(dict.fromkeys([cell.id, *(i.id for i in near)]))[:3]

    def strokes(mode: Mode = "overlap") -> Iterator[Callable]:
        for _ in range(repeats):
            cell = some()
            yield board.painted(cell, dabs(cell, rng), mode)

    def undos() -> Iterator[Callable]:
        for action in strokes():
            action()
            yield board.undo

    def splits(tool: str) -> Iterator[Callable]:
        for _ in range(repeats):
            ids = pair()
            if tool == "split_auto" and len(ids) > 1:  # cells that a model took for one
                board.select(*ids)
                board.run("merge")
            cell = next(c for c in (board.result.get((), i) for i in ids) if c is not None)
            board.select(cell.id)
            y0, x0, y1, x1 = cell.box
            arguments = {
                "split_auto": {},
                "split_line": {"line": np.array([(y0 - 2, (x0 + x1) / 2), (y1 + 2, (x0 + x1) / 2)])},
                "split_seeds": {"points": rng.permutation(np.argwhere(cell.mask))[:2] + (y0, x0)},
            }[tool]
            yield partial(board.run, tool, **arguments)

    def merges() -> Iterator[Callable]:
        for _ in range(repeats):
            board.select(*pair())
            yield partial(board.run, "merge")

    def switches() -> Iterator[Callable]:
        for _ in range(repeats):
            yield partial(board.select, some().id)

    return {
        "commit": strokes(),
        "commit, take over": strokes("take over"),
        "commit, keep out": strokes("keep out"),
        "undo": undos(),
        "split by a line": splits("split_line"),
        "split by seeds": splits("split_seeds"),
        "split, automatic": splits("split_auto"),
        "merge": merges(),
        "switch": switches(),
    }


def dabs(cell: Instance, rng: np.random.Generator) -> np.ndarray:
    """(4, 2) where a short brush stroke at a cell touches, in pixels of the image."""
    on = rng.permutation(np.argwhere(cell.mask))[0] + (cell.y0, cell.x0)
    return on + rng.integers(-BRUSH, BRUSH, (4, 2))


def stroke(cell: Instance, dabs: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The cell with dabs of the brush: a window of the plane, and its origin."""
    margin = 3 * BRUSH
    y0, x0 = max(0, cell.y0 - margin), max(0, cell.x0 - margin)
    mask = np.pad(cell.mask, ((cell.y0 - y0, margin), (cell.x0 - x0, margin)))
    yy, xx = np.mgrid[: mask.shape[0], : mask.shape[1]]
    for y, x in dabs - (y0, x0):
        mask = mask | (np.hypot(yy - y, xx - x) <= BRUSH)
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
