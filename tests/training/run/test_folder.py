"""Files in a run folder hold, end and feed a run; test_loop.py has whole runs."""

import os

import pytest

from napari_centermask.settings import TrainSettings
from napari_centermask.training.run.folder import KEPT, Control, start_of


def test_a_request_to_stop_ends_a_pause(tmp_path):
    control = Control(tmp_path)
    assert (control.paused, control.stopped) == (False, False)
    (tmp_path / "pause").touch()
    assert control.paused
    (tmp_path / "stop").touch()
    assert (control.paused, control.stopped) == (False, True)
    control.clear()
    assert list(tmp_path.iterdir()) == []


def test_requests_from_before_the_run_are_forgotten_and_later_ones_hold(tmp_path):
    for name, when in (("stop", 100), ("pause", 200)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (when, when))
    control = Control(tmp_path)
    control.clear_older(150)
    assert (control.stopped, control.paused) == (False, True)


@pytest.mark.parametrize(
    ("resume", "kept", "name"), [(True, True, None), (True, False, "nuclei"), (False, True, "nuclei")]
)
def test_a_resumed_run_starts_from_its_copy_where_it_has_one(tmp_path, resume, kept, name):
    if kept:
        (tmp_path / KEPT).parent.mkdir()
        (tmp_path / KEPT).touch()
    settings = TrainSettings(data=[tmp_path], out=tmp_path, start="nuclei", resume=resume)
    assert start_of(settings) == (name or tmp_path / KEPT)
