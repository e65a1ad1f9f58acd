"""The run file of a job holds from anywhere, and nothing earlier is written over."""

import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.jobs.command import write_run
from napari_centermask.jobs.process import Job
from napari_centermask.settings import TrainSettings

from .conftest import POLITE  # noqa: TID252


def test_an_earlier_run_is_not_overwritten(act, settings):
    settings.out.mkdir(parents=True)
    (settings.out / "run.json").write_text("{}")
    (settings.out / "last.pt").write_bytes(b"state")
    act(POLITE)
    with pytest.raises(BadSettings, match="earlier run"):
        Job.start(settings)


def test_the_run_file_holds_from_anywhere(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").touch()
    given = {"data": ["fields"], "replay": ["known"], "out": "runs/a", "start": "model.safetensors"}
    written = TrainSettings.model_validate_json(write_run(TrainSettings(**given)).read_text())
    assert written.data + written.replay == [tmp_path / "fields", tmp_path / "known"]
    assert (written.out, written.start) == (tmp_path / "runs" / "a", str(tmp_path / "model.safetensors"))
    assert (
        TrainSettings.model_validate_json(write_run(written.model_copy(update={"start": "nuclei"})).read_text()).start
        == "nuclei"
    )
