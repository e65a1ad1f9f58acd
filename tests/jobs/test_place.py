"""A run that trains elsewhere is started by its attendant, and stays there when it is started again."""

import json

import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.jobs.command import command_line, write_run
from napari_centermask.jobs.place import Place, is_elsewhere, read_place, write_place
from napari_centermask.jobs.process import Job

from .conftest import HEAD  # noqa: TID252

PLACE = Place(subscription_id="s", resource_group="g", workspace_name="lab", compute="gpus", nodes=2)


def test_the_place_decides_which_command_runs(settings):
    run = write_run(settings)
    assert command_line(run)[3:] == ["train", str(run), "--json"]
    write_place(run.parent, PLACE)
    assert read_place(run.parent) == PLACE
    assert command_line(run)[3:] == ["remote", "run", str(run.parent), "--json"]


def test_a_damaged_place_says_so(tmp_path):
    (tmp_path / "place.json").write_text(json.dumps({"compute": ""}))
    with pytest.raises(BadSettings, match="does not say where to train"):
        read_place(tmp_path)


def test_a_job_elsewhere_starts_over_there_and_never_goes_on_here(act, settings, started, until):
    act(HEAD + 'say("start", batch=8)\n(out / "last.pt").touch()\nsay("failed", message="Azure ended it.")')
    job = Job.start(settings, place=PLACE)
    started.append(job)
    until(job, lambda: not job.is_alive)
    assert job.is_elsewhere
    assert is_elsewhere(job.folder)
    assert not job.can_resume
    assert job.failure.message == "Azure ended it."
    job.retry()
    until(job, lambda: not job.is_alive)
    assert not job.settings.resume
    assert is_elsewhere(job.folder)
