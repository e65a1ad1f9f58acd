"""The doctor finds what is broken and survives it."""

import json

import pytest

from napari_centermask import cli
from napari_centermask.cli import probes
from napari_centermask.models.store import zoo


@pytest.fixture(autouse=True)
def no_models(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(zoo, "shipped_folder", lambda: tmp_path / "shipped")


def test_the_report_is_json_and_says_that_nothing_can_be_segmented(capsys, monkeypatch):
    monkeypatch.setattr(probes, "probe", lambda code, timeout_s=1: (False, "crashed with signal 11"))
    assert cli.run(["doctor", "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["can_segment"] is False
    assert all(check["remedy"] for check in report["checks"] if check["ok"] is False)
    assert {"python", "system", "packages", "checks"} <= set(report)


def test_the_report_is_readable(capsys, monkeypatch):
    monkeypatch.setattr(probes, "probe", lambda code, timeout_s=1: (True, "fine"))
    cli.run(["doctor"])
    assert "napari-centermask" in capsys.readouterr().out
