"""How long napari's event loop is blocked when thousands of cells change at once, or are opened.

    LP_NUM_THREADS=1 xvfb-run -a -s "-screen 0 1600x1200x24" python scripts/benchmarks/many_cells.py --cells 5000

An image of a project is opened, all its cells are classified as one edit, and that is undone. A timer that is due every 10 ms
records how late it is in wall time, and the CPU time of the GUI thread meanwhile: on a busy computer, only the second figure is
the program's own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
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
from napari_centermask.widgets.project.session import project_session_of

SHAPE = (2048, 2048)
INTERVAL_MS = 10


def project_in(folder: Path, n: int) -> None:
    """A project of one image with n discs, and one without cells."""
    rng = np.random.default_rng(0)
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(folder / name, rng.integers(0, 255, SHAPE, np.uint8))
    y, x = np.mgrid[-12:13, -12:13]
    places = rng.integers(0, 2020, (n, 2)).tolist()
    cells = (Instance.from_mask(np.hypot(y, x) < 12, at, id=k) for k, at in enumerate(places, start=1))
    with Project.create(folder) as project:
        project.set_predictions(1, Instances(SHAPE, cells), model="benchmark")
        project.save()


class Turns:
    """Milliseconds of each turn of the event loop: by the clock, and of the processor."""

    def __init__(self) -> None:
        self.report: dict[str, dict[str, int]] = {}
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

    def of(self, phase: str, action, seconds: float) -> None:
        """Do something in a turn of its own and watch the loop for some seconds."""
        self._phase = phase
        QTimer.singleShot(0, action)
        QTest.qWait(int(1000 * seconds))
        self._phase = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project_in(Path(folder), arguments.cells)
        viewer = napari.Viewer()
        viewer.window.resize(1500, 1000)
        projects = project_session_of(viewer)
        projects.open(Path(folder))
        projects.show(2)
        QTest.qWait(2000)
        turns = Turns()
        turns.of("open", lambda: projects.show_soon(1), arguments.seconds)
        edits = edit_session_of(projects.session, projects.layer)
        cells, p = list(edits.result), np.random.default_rng(1).random(len(edits.result))
        edits.result.categories = with_names(edits.result.categories, ("live", "dead"))
        changes = classified(edits.result, (), cells, np.stack([p, 1 - p], 1), ("live", "dead"))
        turns.of("classify", lambda: edits.do("classification", changes), arguments.seconds)
        turns.of("undo", edits.undo, arguments.seconds)
        projects.close()
        viewer.close()
    print(json.dumps({"longest turn, ms": turns.report, "cells": arguments.cells, "machine": machine()}, indent=1))


if __name__ == "__main__":
    main()
