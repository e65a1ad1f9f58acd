"""A run file, flags, or both; flags win."""

import json
import os

import psutil
import pytest

from napari_centermask.cli import make_app, train
from napari_centermask.cli.train import read_run_file
from napari_centermask.settings import TrainSettings


def parse(*tokens):
    app = make_app()
    app.config = read_run_file(list(tokens))
    _, bound, _ = app.parse_args(["train", *tokens], exit_on_error=False, print_error=False)
    return bound.kwargs["settings"]


@pytest.fixture
def run_file(tmp_path):
    settings = TrainSettings(data=["a", "b"], out="runs/x", steps=50, model={"backbone": "V-39-eSE"}, weights=[1, 2])
    path = tmp_path / "run.json"
    path.write_text(settings.model_dump_json(indent=1))
    return path, settings


def test_a_run_file_says_it_all(run_file):
    path, settings = run_file
    assert parse(str(path)) == settings


def test_a_setting_that_is_called_as_a_command_is_read_too(run_file):
    path, settings = run_file
    path.write_text(settings.model_copy(update={"compare": True}).model_dump_json())
    assert parse(str(path)).compare
    assert not parse(str(path), "--no-compare").compare


def test_flags_win_over_the_run_file(run_file):
    path, settings = run_file
    parsed = parse(str(path), "--steps", "7", "--model.backbone", "R-50", "--resume", "--augment.scale", "0.8", "1.2")
    assert (parsed.steps, parsed.model.backbone, parsed.resume, parsed.augment.scale) == (7, "R-50", True, (0.8, 1.2))
    assert parsed.weights == settings.weights


@pytest.mark.parametrize("flags", [["--resume"], ["--steps=7"], ["--no-compare"], ["--start", "model.json", "--json"]])
def test_a_run_file_may_follow_flags(run_file, flags):
    path, settings = run_file
    assert parse(*flags, str(path)) == parse(str(path), *flags)
    assert parse(*flags, str(path)).weights == settings.weights


def test_the_value_of_a_flag_is_not_a_run_file():
    parsed = parse("--data", "a", "--out", "o", "--start", "model.json", "--device=x.json")
    assert (parsed.start, parsed.device) == ("model.json", "x.json")


def test_files_that_an_ended_run_left_do_not_hold_or_end_the_next(run_file, tmp_path, monkeypatch):
    settings = run_file[1].model_copy(update={"out": tmp_path})
    began = psutil.Process().create_time()
    seen = []

    def look(_):
        seen.extend(name for name in ("pause", "stop") if (tmp_path / name).exists())
        yield from ()

    monkeypatch.setattr(train, "_steps", look)
    for name in ("pause", "stop"):
        (tmp_path / name).touch()
    os.utime(tmp_path / "pause", (0, began - 5))
    train.run_training(settings, json=True)
    assert seen == ["stop"]  # a new request counts
    os.utime(tmp_path / "stop", (0, began - 5))
    train.run_training(settings, json=True)
    assert seen == ["stop"]


def test_flags_alone_are_enough():
    parsed = parse("--data", "a", "b", "--out", "o", "--seed", "3")
    assert parsed == TrainSettings(data=["a", "b"], out="o", seed=3)


def test_a_run_file_written_by_hand_needs_only_what_differs(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"data": ["a"], "out": "o", "minutes": None}))
    assert parse(str(path)) == TrainSettings(data=["a"], out="o")
