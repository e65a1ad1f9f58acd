"""Why a job ended is told from its exit code, its disk and its last words."""

import pytest

from napari_centermask.events import FailedEvent
from napari_centermask.jobs import explain
from napari_centermask.jobs.explain import of_end, of_event

STEP = {"batch": 4, "tile": 256, "step": 30}


@pytest.fixture(autouse=True)
def space(monkeypatch):
    monkeypatch.setattr(explain, "_free", lambda folder: 10**12)


def test_the_jobs_own_explanation_is_kept():
    found = of_event(FailedEvent(time=0, message="Too few cells.", reason="data", remedy={"batch": 1}))
    assert (found.message, found.reason, found.remedy) == ("Too few cells.", "data", {"batch": 1})


@pytest.mark.parametrize("code", [-9, 137])
def test_a_job_that_the_system_killed_was_short_of_memory(tmp_path, code):
    found = of_end(tmp_path, code, **STEP)
    assert found.reason == "memory"
    assert "after step 30" in found.message
    assert 0 < found.remedy.get("batch", 4) * found.remedy.get("tile", 256) ** 2 < 4 * 256**2


def test_a_full_disk_explains_any_end(tmp_path, monkeypatch):
    monkeypatch.setattr(explain, "_free", lambda folder: 3_000_000)
    assert of_end(tmp_path, 1, **STEP).reason == "disk"


def test_the_last_error_in_the_log_is_the_message(tmp_path):
    (tmp_path / "log.txt").write_text("warning\nError: Choose another --data.\n")
    found = of_end(tmp_path, 2, **STEP)
    assert (found.message, found.reason) == ("Choose another --data.", "settings")
    (tmp_path / "log.txt").write_text("Segmentation fault\n")
    assert "code 139 after step 30: Segmentation fault" in of_end(tmp_path, 139, **STEP).message
