"""Small scripts in place of a training, and what a training writes at its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

# A job outlives whoever started it; Popen warns of that.
OUTLIVES = [
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*Popen.__del__:pytest.PytestUnraisableExceptionWarning"),
]
SCRIPT = """
import json, math, sys, time
from pathlib import Path
out = Path(json.loads(Path(sys.argv[1]).read_text())["out"])
def say(kind, **fields):
    print(json.dumps({"event": kind, "time": time.time(), **fields}), flush=True)
say("start", out=str(out), step=0, steps=1000, batch=4, tile=256, device="cpu", precision="float32", parameters=5)
say("stage", name="training")
step = 0
while not (out / "stop").exists() and step < STEPS:
    step += 10
    say("step", step=step, part=step / 1000, seconds=step, seconds_left=1000 - step, memory_mb=850.0,
        loss_box=1 / step, loss_mask=2 / step)
    if step % 50 == 0:
        say("evaluation", step=step, AP=0.3 + step / 5000, AP50=0.5, better=True, per_folder={},
            samples=[{"image": "one.png", "picture": str(out.parent.parent / "picture.png")}])
        (out / "best.safetensors").touch()
    if (out / "pause").exists():
        say("paused", step=step)
        while (out / "pause").exists():
            time.sleep(0.02)
        say("resumed", step=step)
    time.sleep(0.02)
END
"""
WORKS = SCRIPT.replace("STEPS", "10**6").replace(
    "END", 'say("done", step=step, best=0.4, out=str(out), stopped=True, model=str(out / "best.safetensors"))'
)
SHORT = SCRIPT.replace("STEPS", "100").replace(
    "END", 'say("done", step=step, best=0.4, out=str(out), stopped=False, model=str(out / "best.safetensors"))'
)
FAILS = SCRIPT.replace("STEPS", "30").replace(
    "END",
    '(out / "last.pt").touch(); say("failed", message="The memory does not suffice.", reason="memory",'
    ' remedy={"batch": 2, "tile": 384})',
)
COMPARES = SHORT.replace(
    'say("done"',
    'say("comparison", path=str(out.parent.parent / "comparison.json"), recommended=True, sentence=""); say("done"',
)


def state(dock) -> str:
    return dock.training.state.state


def comparison(folder: Path, *, recommended: bool) -> None:
    """What a training writes at its end."""
    figures = {"bioimage_ap_mean": 0.4, "bioimage_ap": {"0.50": 0.6}, "coco": {"AP": 0.3}, "f1": 0.7, "pq": None}
    figures |= {"overlap": {"recall50": 0.5, "mean_iou": 0.6}}
    figures |= {"boundary": {"iou_matched": 0.5}, "coco_by_size": {"small": {"AP": 0.2}}}
    figures |= {"area_ratio": 0.92, "border": {"cut": {"recall50": 0.5, "mean_iou": 0.25}, "inside": {}}}
    better = figures | {
        "bioimage_ap_mean": 0.45,
        "area_ratio": 1.0,
        "f1": 0.75,
        "coco_by_size": {},
        "boundary": {"iou_matched": 0.75},
    }
    picture = str(folder / "picture.png")
    row = {
        "name": "one.png",
        "n_truth": 9,
        "f1_old": 0.5,
        "f1_new": 0.8,
        "picture_old": picture,
        "picture_new": picture,
    }
    verdict = {"recommended": recommended, "difference": 0.05 if recommended else -0.05, "interval": [0.01, 0.09]}
    verdict |= {
        "luck": 0.01,
        "unit": "images",
        "sentence": "The new model is better." if recommended else "It is worse.",
    }
    values = {"old": figures, "new": better, "verdict": verdict, "per_image": [row, {"name": "two.png", "n_truth": 3}]}
    (folder / "comparison.json").write_text(json.dumps(values))


def installing(installed: list):
    """Stands for the child that installs a model; notes its file and its name."""

    def run_child(arguments):
        yield
        assert arguments[:2] == ["models", "add"]
        installed.append((Path(arguments[2]), arguments[4]))
        return ""

    return run_child
