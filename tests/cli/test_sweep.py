"""`sweep` checks its plan before anything is trained, and says what it would do."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_centermask import cli
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord


@pytest.fixture
def plan(tmp_path, cells):
    data = tmp_path / "fields"
    (data / "images").mkdir(parents=True)
    for split in ("train", "val"):
        truth = cells(n=4, overlap=0.0, shape=(96, 96), radius=10)
        Image.fromarray(np.full((96, 96), 20, np.uint8)).save(data / "images" / f"{split}.png")
        write_coco(data / f"annotations_{split}.json", [ImageRecord(1, f"{split}.png", None, truth.shape, truth)])
    run = {"data": [str(data)], "out": "run", "model": {"in_channels": 1}, "steps": 300}
    (tmp_path / "run.json").write_text(json.dumps(run))
    path = tmp_path / "plan.json"
    space = {"learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}, "schedule": ["cosine", "one-cycle"]}
    path.write_text(json.dumps({"run": str(tmp_path / "run.json"), "out": str(tmp_path / "sweep"), "search": space}))
    return path


def test_a_dry_run_says_what_would_be_trained(plan, tmp_path, capsys):
    assert cli.run(["sweep", str(plan), "--dry-run"]) == 0
    assert "20 trials of 300 steps over learning_rate, schedule, judged by AP." in capsys.readouterr().out
    assert not (tmp_path / "sweep").exists()


def test_a_bad_plan_is_refused(tmp_path, capsys):
    assert cli.run(["sweep", str(tmp_path / "plan.json")]) == 2
    assert "does not exist. Choose a JSON file with a plan of a sweep." in capsys.readouterr().err


def test_data_that_cannot_be_trained_on_are_refused_before_the_first_trial(plan, tmp_path, capsys):
    (tmp_path / "fields" / "annotations_train.json").unlink()
    assert cli.run(["sweep", str(plan)]) == 2
    assert "There are no annotations at" in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()
