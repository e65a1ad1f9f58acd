import json
import sys
from pathlib import Path

import pytest

from napari_centermask.jobs import process
from napari_centermask.jobs.sweep.plan import read_plan

TRIAL = """
import json, sys, time
from pathlib import Path
run = json.loads(Path(sys.argv[1]).read_text())
out, rate = Path(run["out"]), run["learning_rate"]
def say(kind, **fields):
    print(json.dumps({"event": kind, "time": 0, **fields}), flush=True)
if rate > 0.9:
    say("failed", message="The losses are not finite.", reason=REASON)
    sys.exit(2)
state = out / "last.pt"
first = int(state.read_text()) if run["resume"] else 0
say("start", step=first, batch=8)
(out / "best.safetensors").write_text("model")
step = first
while step < 4 and not (out / "stop").exists():
    step += 1
    state.write_text(str(step))
    say("evaluation", step=step, better=True, AP=rate * step)
    if step == HOLD_AT and not run["resume"]:
        (out / "held").touch()
        while not (out / "pause").exists() and not (out / "stop").exists():
            time.sleep(0.01)
    if (out / "pause").exists():
        say("paused", step=step)
        while True:
            time.sleep(1)
    time.sleep(PACE_S)
say("done", step=step, stopped=step < 4)
"""
"""A trial of four evaluations whose AP is its learning rate times their number; it may wait at one for a request."""


@pytest.fixture
def trial(monkeypatch):
    """Let trials be `TRIAL`; returns a function that changes how."""

    def play(*, hold_at=0, reason="numbers", pace_s=0.0):
        script = f"HOLD_AT, REASON, PACE_S = {hold_at}, {reason!r}, {pace_s}\n" + TRIAL
        monkeypatch.setattr(process, "command_line", lambda run: [sys.executable, "-c", script, str(run)])

    play()
    return play


@pytest.fixture
def plan(tmp_path):
    """Write a plan over learning rates and read it."""
    run = {"data": [str(tmp_path / "data")], "out": str(tmp_path / "run")}
    (tmp_path / "run.json").write_text(json.dumps(run))

    def write(**values):
        path = Path(tmp_path / "plan.json")
        whole = {"run": str(tmp_path / "run.json"), "out": str(tmp_path / "sweep"), "trials": 3}
        whole |= {"search": {"learning_rate": {"low": 0.1, "high": 0.2}}} | values
        path.write_text(json.dumps(whole))
        return read_plan(path)

    return write
