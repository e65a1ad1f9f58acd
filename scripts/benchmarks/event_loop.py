"""How long napari's event loop is blocked while a model is fine-tuned.

    xvfb-run -a -s "-screen 0 1600x1200x24" python scripts/benchmarks/event_loop.py --data ../shared/data/usiigaci_phase

A timer that is due every 10 ms records how late it is: without training, while training starts and runs with its curves and
pictures in the dock, and while the canvas is also moved ten times a second. Software OpenGL draws on the same cores that train;
a computer with a graphics card does better.

`--stand-in` does not train, but reports 20 steps a second, with a picture every third second, and keeps two cores busy: more
updates than real training has. If other programs are running, `setsid -w xvfb-run ... --priority -14` (Linux, as root) gives
this program a higher priority, while training keeps its lower one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest

from napari_centermask.deploy.benchmark import machine
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.jobs import child, process

INTERVAL_MS = 10
START_S = 300
SLOW_MS = 100


STAND_IN = """
import json, sys, threading, time
from pathlib import Path
import numpy as np
from PIL import Image
out = Path(json.loads(Path(sys.argv[1]).read_text())["out"])
rng, picture = np.random.default_rng(0), str(out / "picture.png")
def say(kind, **fields):
    print(json.dumps({"event": kind, "time": time.time(), **fields}), flush=True)
def work():
    a = rng.random((300, 300))
    while True:
        a = a @ a
        a /= a.max()
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
say("start", out=str(out), step=0, steps=1000, batch=4, tile=256, device="cpu", precision="float32", parameters=5)
say("stage", name="training")
step = 0
while not (out / "stop").exists():
    step += 1
    losses = {f"loss_{name}": 0.99**step * (1 + rng.random()) / n for n, name in enumerate("abcde", start=1)}
    say("step", step=step, part=step / 1000, seconds=step, seconds_left=1000 - step, memory_mb=850.0, **losses)
    if step % 60 == 0:
        Image.fromarray(rng.integers(0, 255, (512, 512, 3), np.uint8)).save(picture)
        samples = [{"image": "picture", "picture": picture}]
        say("evaluation", step=step, AP=0.3, AP50=0.5, better=True, per_folder={}, samples=samples)
    time.sleep(0.05)
"""


class Probe:
    """Notes the time between the ticks of a timer, by what goes on.

    Attributes
    ----------
    slow
        Phase, milliseconds by the clock, milliseconds of CPU of this thread, and what the dock said, of late ticks.
    """

    def __init__(self) -> None:
        self.phase = ""
        self.what = lambda: ""
        self.times: dict[str, list[float]] = {}
        self.slow: list[tuple[str, int, int, str]] = []
        self._last, self._cpu = time.perf_counter(), time.thread_time()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_tick)
        self._timer.start(INTERVAL_MS)

    def _on_tick(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        if self.phase:
            late = 1000 * (now - self._last)
            self.times.setdefault(self.phase, []).append(late)
            if late > SLOW_MS:
                self.slow.append((self.phase, round(late), round(1000 * (cpu - self._cpu)), self.what()))
        self._last, self._cpu = now, cpu

    def report(self) -> dict[str, dict[str, float]]:
        """Milliseconds between two ticks, 10 at best."""
        return {phase: _summary(np.array(times)) for phase, times in self.times.items()}


def _summary(times: np.ndarray) -> dict[str, float]:
    p50, p95, p99 = np.percentile(times, (50, 95, 99))
    return {
        "p50": round(p50, 1),
        "p95": round(p95, 1),
        "p99": round(p99, 1),
        "max": round(times.max(), 1),
        "n": len(times),
    }


def data_folder(source: Path, target: Path, most: int) -> Path:
    """A folder to learn from with the first images of another."""
    records = read_coco(source / "annotations.json", images_root=source / "images")[:most]
    (target / "images").mkdir(parents=True)
    for record in records:
        shutil.copyfile(record.path, target / "images" / Path(record.file_name).name)
    write_coco(target / "annotations.json", records)
    return target


def wait(seconds: float, *, until=lambda: False) -> bool:
    """Turn the event loop; returns whether `until` held."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QTest.qWait(50)
        if until():
            return True
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=20, help="Length of each phase.")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path, help="File for a picture of the window while it trains.")
    parser.add_argument("--stand-in", action="store_true")
    parser.add_argument("--priority", type=int, default=0, help="Niceness of this session.")
    arguments = parser.parse_args()
    if arguments.stand_in:
        process.command_line = lambda run_file: [sys.executable, "-c", STAND_IN, str(run_file)]
    if arguments.priority:
        prefer(arguments.priority)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_CENTERMASK_HOME"] = folder
        data = data_folder(arguments.data, Path(folder) / arguments.data.name, arguments.images)
        report = measure(data, arguments.seconds, arguments.picture)
    report |= {"data": arguments.data.name, "machine": machine(), "load": os.getloadavg()[0]}
    text = json.dumps(report, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


def prefer(niceness: int) -> None:
    """Put this session before others, and a training as far behind it as without."""
    lower_session = child.lower_session
    child.lower_session = lambda pid, nice: lower_session(pid, nice + niceness)
    Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


def measure(data: Path, seconds: float, picture: Path | None) -> dict:
    """The figures of one session."""
    viewer = napari.Viewer()
    viewer.window.resize(1500, 1000)
    viewer.open_sample("napari-centermask", "cells_phase")
    _, dock = viewer.window.add_plugin_dock_widget("napari-centermask", "Fine-tune")
    dock.add_folder(data)
    wait(3)
    probe, training = Probe(), dock.training
    probe.what = lambda: f"{dock.start.about.text()[:20]} | {training.state.title}"
    probe.phase = "idle"
    wait(seconds)
    camera = getattr(viewer, "scene", viewer).camera
    mover = QTimer()
    mover.timeout.connect(lambda: _move(camera))
    probe.phase = "idle, canvas moved"
    mover.start(100)
    wait(seconds)
    mover.stop()
    probe.phase = ""
    wait(1)  # the last move is drawn
    probe.phase = "starting"
    dock.start.start.click()
    is_learning = wait(START_S, until=lambda: training.state.step > 0 or training.state.state == "failed")
    if not is_learning or training.state.state == "failed":
        raise RuntimeError(f"The training did not begin: {training.report and training.report.failure}")
    probe.phase = "training"
    wait(seconds)
    probe.phase = "training, canvas moved"
    mover.start(100)
    wait(seconds)
    mover.stop()
    probe.phase = ""
    if picture is not None:
        wait(120, until=lambda: bool(training.state.scores))
        wait(1)
        viewer.screenshot(str(picture), canvas_only=False, flash=False)
    counts = {"steps": training.state.step, "redraws": dock.progress_curves.curves.redraws}
    training.job.kill()
    wait(30, until=lambda: not training.watcher.is_running)
    viewer.close()
    return {"ms": probe.report(), "slow": probe.slow, **counts}


def _move(camera) -> None:
    z, y, x = camera.center
    camera.center = (z, y, x + 3)


if __name__ == "__main__":
    main()
