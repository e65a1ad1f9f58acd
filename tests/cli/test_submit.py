"""What a job takes is shown, and nothing is sent without a confirmation; neither needs Azure's packages."""

import io
import json

import pytest

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
