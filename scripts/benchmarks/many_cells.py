"""How long napari's event loop is held up when thousands of cells change at once, or come and go with their image.

    LP_NUM_THREADS=1 xvfb-run -a -s "-screen 0 1600x1200x24" python scripts/benchmarks/many_cells.py --cells 5000

Each step is done in a turn of its own: images of a project are opened, their cells classified, deleted, merged and replaced as
one edit each, edits are undone and redone, the score moves, the plane is marked as reviewed, and the project is saved. A timer
that is due every 10 ms notes how late it comes by the clock, and how much of that the processor worked in the thread that
draws: on a computer that does other things, too, only the second figure is the program's. Of several runs come the least and
the median.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import tifffile
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest

from napari_centermask.core.classification import classified, with_names
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.deploy.benchmark import machine
from napari_centermask.io.project import Project
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.dock import CorrectDock
from napari_centermask.widgets.edit.review import review_of
from napari_centermask.widgets.edit.review_dock import ReviewDock
from napari_centermask.widgets.edit.session import EditSession
from napari_centermask.widgets.project.dock import ProjectDock
from napari_centermask.widgets.project.session import ProjectSession, project_session_of
from napari_centermask.widgets.viability.dock import ViabilityDock

SHAPE = (2048, 2048)
INTERVAL_MS = 10
MERGED = 300
DOCKS = {"Project": ProjectDock, "Correct": CorrectDock, "Review": ReviewDock, "Viability": ViabilityDock}


def discs(n: int, *, seed: int) -> Instances:
    """n discs at random places, with random scores."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-12:13, -12:13]
    places, scores = rng.integers(0, 2020, (n, 2)).tolist(), rng.random(n).tolist()
    disc = np.hypot(y, x) < 12
    cells = (
        Instance.from_mask(disc, at, id=k, score=s) for k, (at, s) in enumerate(zip(places, scores, strict=True), 1)
    )
    return Instances(SHAPE, cells)


def project_in(folder: Path, n: int) -> None:
    """A project of two images with n cells each, and one without cells."""
    rng = np.random.default_rng(0)
    for name in ("a.tif", "b.tif", "c.tif"):
        tifffile.imwrite(folder / name, rng.integers(0, 255, SHAPE, np.uint8))
    with Project.create(folder) as project:
        for id in (1, 2):
            project.set_predictions(id, discs(n, seed=id), model="benchmark")
        project.save()


class Turns:
    """Milliseconds of each turn of the event loop: by the clock, and of the processor."""

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        self.report: dict[str, dict[str, int]] = {}
        self._is_busy = is_busy
        self._phase = ""
        self._last = time.perf_counter(), time.thread_time()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_tick)
        self._timer.start(INTERVAL_MS)

    def _on_tick(self) -> None:
        now = time.perf_counter(), time.thread_time()
        clock, worked = (round(1000 * (b - a)) for a, b in zip(self._last, now, strict=True))
        self._last = now
        if self._phase:
            most = self.report.setdefault(self._phase, {"clock": 0, "worked": 0})
            most["clock"], most["worked"] = max(most["clock"], clock), max(most["worked"], worked)

    def of(self, phase: str, action: Callable[[], object], seconds: float) -> None:
        """Do something in a turn of its own and watch the loop for some seconds, longer while an image is read."""
        self._phase, self._last = phase, (time.perf_counter(), time.thread_time())
        QTimer.singleShot(0, action)
        QTest.qWait(int(1000 * seconds))
        while self._is_busy():
            QTest.qWait(int(1000 * seconds))
        self._phase = ""


def through(turns: Turns, projects: ProjectSession, n: int, seconds: float) -> None:
    """All steps, one after the other."""
    turns.of("open", lambda: projects.show_soon(1), seconds)
    edits = edit_session_of(projects.session, projects.layer)
    turns.of("begin to correct", lambda: edits.select((1,)), seconds)
    turns.of("next image", lambda: projects.show_soon(2), seconds)
    turns.of("previous image", lambda: projects.show_soon(1), seconds)
    edits = edit_session_of(projects.session, projects.layer)
    turns.of("score", lambda: projects.session.set_threshold(projects.layer, 0.5), seconds)
    turns.of("score back", lambda: projects.session.set_threshold(projects.layer, 0.0), seconds)
    turns.of("classify", lambda: classify(edits), seconds)
    turns.of("undo", edits.undo, seconds)
    turns.of("redo", edits.redo, seconds)
    turns.of("delete all", lambda: edits.run_tool("delete", [c.id for c in edits.result]), seconds)
    turns.of("undo of it", edits.undo, seconds)
    turns.of("merge many", lambda: edits.run_tool("merge", [c.id for c in edits.result][:MERGED]), seconds)
    turns.of("undo of that", edits.undo, seconds)
    found = discs(n, seed=3)
    turns.of("predict anew", lambda: projects.session.put(edits.shown, (), found), seconds)
    turns.of("mark all as right", lambda: review_of(edits).mark((0, 0, *SHAPE)), seconds)
    turns.of("reviewed, next", projects.finish, seconds)
    turns.of("save", lambda: projects.when_packed(projects.save), seconds)
    turns.of("leave", projects.leave, seconds)


def classify(edits: EditSession) -> None:
    """Give all cells one of two new categories."""
    cells, p = list(edits.result), np.random.default_rng(1).random(len(edits.result))
    edits.result.categories = with_names(edits.result.categories, ("live", "dead"))
    edits.do("classification", classified(edits.result, (), cells, np.stack([p, 1 - p], 1), ("live", "dead")))


def run(n: int, seconds: float, *, docks: bool) -> dict[str, dict[str, int]]:
    """The longest turn of each step, in a new window."""
    with tempfile.TemporaryDirectory() as folder:
        project_in(Path(folder), n)
        viewer = napari.Viewer()
        viewer.window.resize(1500, 1000)
        projects = project_session_of(viewer)
        if docks:
            tabs = [viewer.window.add_dock_widget(dock(viewer), name=name) for name, dock in DOCKS.items()]
            for tab in tabs[1:]:
                viewer.window._qt_window.tabifyDockWidget(tabs[0], tab)
        projects.open(Path(folder))
        projects.show(3)
        QTest.qWait(2000)
        turns = Turns(lambda: bool(projects.loading))
        through(turns, projects, n, seconds)
        projects.close()
        viewer.close()
    return turns.report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument(
        "--docks", action="store_true", help="with the docks of a project, of correction, review and viability"
    )
    arguments = parser.parse_args()
    runs = [run(arguments.cells, arguments.seconds, docks=arguments.docks) for _ in range(arguments.runs)]
    report = {
        step: {
            kind: [min(r[step][kind] for r in runs), round(statistics.median(r[step][kind] for r in runs))]
            for kind in ("clock", "worked")
        }
        for step in runs[0]
    }
    shown = {"longest turn, ms, [least, median]": report, "runs": arguments.runs, "cells": arguments.cells}
    print(json.dumps(shown | {"docks": arguments.docks, "machine": machine()}, indent=1))


if __name__ == "__main__":
    main()
