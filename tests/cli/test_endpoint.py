"""Nothing is deployed without a confirmation, and the gate decides what is released; neither needs Azure's packages."""

import io
import json
from pathlib import Path

import pytest

from napari_centermask import cli
from napari_centermask.cli import endpoint
from napari_centermask.models.store.zoo import find_model


@pytest.fixture
def config(tmp_path):
    names = {"subscription_id": "s", "resource_group": "g", "workspace_name": "lab"}
    (tmp_path / "config.json").write_text(json.dumps(names))
    return ["--workspace", str(tmp_path / "config.json")]


def test_without_a_confirmation_nothing_is_deployed(config, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    command = ["endpoint", "deploy", "nuclei", "--name", "cells", "--instances", "2", *config]
    assert cli.run(command) == 2
    shown = capsys.readouterr().err
    assert "48 node-hours a day until you delete it" in shown
    assert "Nothing was deployed" in shown
    assert cli.run([*command, "--dry-run"]) == 0
    assert cli.run(["endpoint", "delete", "cells", *config]) == 2
    assert "Nothing was deleted" in capsys.readouterr().err


@pytest.fixture
def run(tmp_path):
    """A run folder whose model is `nuclei`; returns a function that writes the verdict."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "best.safetensors").write_bytes(find_model("nuclei").weights.read_bytes())
    (tmp_path / "data" / "images").mkdir(parents=True)
    (tmp_path / "data" / "images" / "a.png").write_bytes(b"")

    def judge(is_recommended):
        verdict = {"verdict": {"recommended": is_recommended, "sentence": "A sentence."}}
        (folder / "comparison.json").write_text(json.dumps(verdict))
        return ["endpoint", "release", str(folder), "--register", "mine", "--data", str(tmp_path / "data")]

    return judge


def test_what_the_gate_does_not_recommend_stays_where_it_is(run, capsys):
    assert cli.run(run(False)) == 0
    assert capsys.readouterr().out == "Nothing was registered or deployed. A sentence.\n"


def test_what_it_recommends_is_registered_with_its_graphs_and_deployed(run, config, capsys, monkeypatch):
    calls = []

    class Jobs:
        ml = None

        def __init__(self, workspace):
            calls.append(workspace.workspace_name)

        def register_path(self, path, name, properties):
            calls.append(sorted(file.name for file in Path(path).iterdir()))
            return "4"

    graphs = find_model("nuclei").graphs
    monkeypatch.setattr(endpoint, "AzureJobs", Jobs)
    monkeypatch.setattr(endpoint, "count_cells", lambda plan: 7)
    monkeypatch.setattr(
        "napari_centermask.cli.export.export_files",
        lambda model, folder: [
            (folder / f"mine{''.join(path.suffixes)}").write_bytes(path.read_bytes()) for path in graphs
        ],
    )
    monkeypatch.setattr(endpoint, "deploy_model", lambda plan, endpoints, say, expected: calls.append((plan, expected)))
    monkeypatch.setenv("AZUREML_ARM_SUBSCRIPTION", "s")
    monkeypatch.setenv("AZUREML_ARM_RESOURCEGROUP", "g")
    monkeypatch.setenv("AZUREML_ARM_WORKSPACE_NAME", "job-lab")
    assert cli.run([*run(True), "--endpoint", "cells"]) == 0
    workspace, files, (plan, expected) = calls
    assert workspace == "job-lab"
    assert files == ["mine.dense.onnx", "mine.roi.onnx", "mine.safetensors"]
    assert (plan.registered, plan.image.name, expected) == ("azureml:mine:4", "a.png", 7)
    assert "Registered mine:4. A sentence." in capsys.readouterr().out


def test_a_run_without_a_comparison_is_refused(run, capsys, tmp_path):
    command = run(True)
    (tmp_path / "run" / "comparison.json").unlink()
    assert cli.run(command) == 2
    assert "has no comparison.json, by which the gate judges" in capsys.readouterr().err
