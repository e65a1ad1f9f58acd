"""Jobs that are no training: small scripts which say what a training says, so that no test waits for torch."""

import sys
import time

import pytest

from napari_centermask.jobs import process
from napari_centermask.settings import TrainSettings

HEAD = """
import json, os, sys, time
from pathlib import Path
out = Path(json.loads(Path(sys.argv[1]).read_text())["out"])
def say(kind, **fields):
    print(json.dumps({"event": kind, "time": 0, **fields}), flush=True)
def wait(condition):
    while not condition():
        time.sleep(0.01)
"""

POLITE = (
    HEAD
    + """
say("start", step=0, batch=8)
step, paused = 0, False
while not (out / "stop").exists():
    step += 1
    if step < 100:
        say("step", step=step)
    if (out / "pause").exists():
        say("paused", step=step)
        wait(lambda: not (out / "pause").exists())
        say("resumed", step=step)
    time.sleep(0.01)
say("done", step=step, stopped=True)
"""
)


@pytest.fixture
def settings(tmp_path):
    return TrainSettings(data=[tmp_path / "data"], out=tmp_path / "runs" / "first")


@pytest.fixture
def act(monkeypatch):
    """Let the next jobs run a script instead of a training; returns the function that takes the script."""

    def play(script: str) -> None:
        monkeypatch.setattr(process, "command_line", lambda run: [sys.executable, "-c", script, str(run)])

    return play


@pytest.fixture
def until():
    """Poll a job until a condition holds; 60 s at most, for a loaded machine."""

    def wait(job, condition):
        end = time.monotonic() + 60
        while not condition():
            job.poll()
            assert time.monotonic() < end, f"state {job.state}, events {job.events()[-3:]}"
            time.sleep(0.02)
        job.poll()

    return wait


@pytest.fixture
def started():
    """Jobs to end after the test."""
    jobs = []
    yield jobs
    for job in jobs:
        job.kill()
