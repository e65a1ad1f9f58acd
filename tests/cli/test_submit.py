"""What a job takes is shown, and nothing is sent without a confirmation; neither needs Azure's packages."""

import io
import json

import pytest

import other_tools
from napari_centermask import cli


@pytest.fixture
def command(tmp_path, fields):
    """A run file of 5,000 steps within an hour, as `submit` takes it."""
    names = {"subscription_id": "s", "resource_group": "g", "workspace_name": "lab"}
    (tmp_path / "config.json").write_text(json.dumps(names))
    run = {
        "data": [str(fields)],
        "out": str(tmp_path / "mine"),
        "model": {"in_channels": 1},
        "steps": 5000,
        "minutes": 60,
    }
    (tmp_path / "run.json").write_text(json.dumps(run))
    return ["submit", str(tmp_path / "run.json"), "--workspace", str(tmp_path / "config.json"), "--compute", "gpus"]


def test_a_dry_run_shows_size_reason_node_hours_and_scaled_settings(command, capsys, tmp_path):
    more = ["--nodes", "2", "--processes", "4", "--scale-batch", "--dry-run", "--json"]
    assert cli.run([*command, *more]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["advice"]["size"] == "Standard_NC4as_T4_v3"
    assert (plan["nodes"], plan["node_hours"]) == (2, 5.0)
    assert (plan["settings"]["batch"], plan["settings"]["steps"]) == (64, 625)
    assert plan["settings"]["learning_rate"] == pytest.approx(8e-3)
    assert not (tmp_path / "mine").exists()


def test_data_of_another_tool_are_planned_without_a_trace(command, capsys, tmp_path):
    path = tmp_path / "run.json"
    folder = other_tools.stardist(tmp_path / "theirs")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data": [str(folder)]}))
    assert cli.run([*command, "--dry-run", "--json"]) == 0
    printed = capsys.readouterr()
    assert "Read as pairs of images and masks (as for StarDist): train of theirs" in printed.err
    plan = json.loads(printed.out)
    assert plan["settings"]["data"] == [str(folder)]
    assert not (tmp_path / "mine").exists()


def test_without_a_confirmation_nothing_is_submitted(command, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert cli.run(command) == 2
    errors = capsys.readouterr().err
    assert "At most 1 x 2.5 h = 2.5 node-hours" in errors
    assert "Nothing was submitted" in errors
    assert not (tmp_path / "mine").exists()


def test_more_processes_than_tiles_are_refused(command, capsys):
    assert cli.run([*command, "--processes", "16", "--dry-run"]) == 2
    assert "Add --scale-batch or use fewer" in capsys.readouterr().err


def test_a_folder_without_a_job_says_so(capsys, tmp_path):
    assert cli.run(["remote", "status", str(tmp_path)]) == 2
    assert "has no job on Azure" in capsys.readouterr().err


def test_the_plan_of_a_sweep_shows_the_node_hours_of_all_trials(command, capsys, tmp_path):
    plan = {
        "run": str(tmp_path / "run.json"),
        "out": str(tmp_path / "sweep"),
        "trials": 10,
        "search": {"clip": [1, 10]},
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    command[1] = str(tmp_path / "plan.json")
    assert cli.run([*command, "--concurrent", "5", "--dry-run"]) == 0
    shown = capsys.readouterr().err
    assert "10 trials, 5 at a time, over clip, judged by AP" in shown
    assert "At most 10 trials x 2.5 = 25 node-hours" in shown
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{bad", "is not a run file in JSON"),
        ("[]", "has no settings of a run. Write a run file with"),
        ('{"data": ["x"], "out": "y", "colour": 1}', "colour: there is no such setting. Correct it there"),
    ],
)
def test_a_bad_run_file_says_what_is_wrong(command, tmp_path, text, words, capsys):
    (tmp_path / "run.json").write_text(text)
    assert cli.run(command) == 2
    assert words in capsys.readouterr().err


def test_a_folder_is_refused_where_a_run_file_belongs(command, tmp_path, capsys):
    assert cli.run(["submit", str(tmp_path), *command[2:]]) == 2
    assert "is a folder, not a run file" in capsys.readouterr().err
