"""A real process is killed at 200 random moments of random edits, and loses at most the stroke in progress."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from killed import Player

from napari_centermask.core.history import History
from napari_centermask.core.result import Result
from napari_centermask.io.project import Project

KILLS = 200
SCRIPT = Path(__file__).with_name("killed.py")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def same(a: dict[int, Result], b: dict[int, Result]) -> bool:
    for id in a:
        cells = [{(k, c.id): c for k, p in r.planes.items() for c in p} for r in (a[id], b[id])]
        if cells[0].keys() != cells[1].keys() or not all(cells[0][k].equals(cells[1][k]) for k in cells[0]):
            return False
        if a[id].reviewed_planes != b[id].reviewed_planes:
            return False
    return True


@pytest.fixture
def folder(tmp_path):
    import tifffile
    from PIL import Image

    place = tmp_path / "project"
    place.mkdir()
    Image.fromarray(np.zeros((64, 80), np.uint8)).save(place / "a.png")
    tifffile.imwrite(place / "b.tif", np.zeros((3, 50, 60), np.uint8), metadata={"axes": "ZYX"}, imagej=True)
    Project.create(place).close()
    return place


@pytest.fixture
def server():
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.stdin.close()
    process.wait(10)
    process.stdout.close()
    process.stderr.close()


def killed_after(server, folder, seed: int, edits: int, delay_s: float) -> list[str]:
    """Run a child and kill it a time after so many edits, while it opens for none; returns what it said."""
    server.stdin.write(f"{folder} {seed}\n")
    server.stdin.flush()
    said = [server.stdout.readline()]
    pid = int(said[0].split()[1])
    said += [server.stdout.readline() for _ in range(edits)]
    time.sleep(delay_s)
    os.kill(pid, signal.SIGKILL)
    while not said[-1].startswith("dead"):
        said.append(server.stdout.readline())
        assert said[-1], server.stderr.read()
    assert said[-1].split()[1] == str(int(signal.SIGKILL)), said
    return said[1:-1]


def results_of(folder) -> dict[int, Result]:
    with Project.open(folder) as project:
        assert not project.read_only  # the lock of the dead process is gone
        assert project.notes == []
        return {i.id: project.result(i.id) for i in project.images}


@pytest.mark.timeout(600)
def test_200_kills_lose_at_most_the_stroke_in_progress(folder, server):
    rng = np.random.default_rng(1)
    before, taken, during = results_of(folder), 0, 0
    for seed in range(KILLS):
        said = killed_after(server, folder, seed, int(rng.integers(0, 20)), float(rng.uniform(0, 0.02)))
        after = results_of(folder)
        steps = int(said[-1]) if said else 0
        simulated = Player({id: History(result) for id, result in before.items()}, seed)
        for _ in range(steps):
            simulated.step()
        equal = same(before, after)
        if not equal:  # killed after a step was written and before it was reported
            simulated.step()
            during += 1
            equal = same(before, after)
        assert equal, f"kill {seed} after step {steps} lost more than the stroke in progress"
        taken += steps
        before = after
    assert taken > 5 * KILLS
    assert not list(folder.glob("*.part"))
    print(f"{KILLS} kills, {taken} steps, {during} of them found done that were not reported yet")
