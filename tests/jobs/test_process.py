"""A job is watched, held, ended and found again, and its end is explained, whatever happens to either side."""

import json
import os
import time
from pathlib import Path

import pytest

from napari_centermask.core.errors import BadSettings, CannotSave
from napari_centermask.events import StageEvent, StartEvent, StepEvent
from napari_centermask.jobs import process
from napari_centermask.jobs.process import Job, find_jobs

from .conftest import HEAD, POLITE  # noqa: TID252


@pytest.fixture
def run(act, settings, started):
    def start(script, **changes):
        act(script)
        job = Job.start(settings.model_copy(update=changes))
        started.append(job)
        return job

    return start


def test_a_job_reports_waits_continues_and_stops(run, until):
    job = run(POLITE)
    until(job, lambda: job.last(StepEvent))
    assert job.state == "running"
    job.pause()
    until(job, lambda: job.state == "paused")
    job.resume()
    until(job, lambda: job.state == "running")
    job.stop()
    until(job, lambda: not job.is_alive)
    assert job.state == "stopped"
    assert job.failure is None
    steps = [e.step for e in job.events() if e.event == "step"]
    assert steps == list(range(1, len(steps) + 1))


def test_a_job_outlives_the_program_that_started_it_and_is_found_again(run, until, started):
    job = run(POLITE)
    until(job, lambda: job.last(StepEvent))
    folder = job.folder
    started[:] = []
    job._process.returncode = 0  # as if this program ended: Popen would warn of a child that still runs
    (again,) = find_jobs(folder.parent)
    started.append(again)
    assert again.state == "running"
    assert again.last(StartEvent).batch == 8
    again.stop()
    until(again, lambda: not again.is_alive)
    assert Job.open(folder).state == "stopped"


def test_the_session_of_a_job_has_a_lower_priority_too(run, until):
    job = run(POLITE)
    until(job, lambda: job.last(StartEvent))
    own, its = _autogroup("self"), _autogroup(job._process.pid)
    if not its:
        pytest.skip("this system keeps no autogroups, or its sessions stand outside of them")
    assert its[0] not in own  # so that the job's own niceness says nothing to us
    assert its[1:] == ["nice", "10"]


def _autogroup(pid):
    """Name, "nice" and niceness of a process's autogroup; empty where the system has none or the process is in none."""
    file = Path(f"/proc/{pid}/autogroup")
    return file.read_text().split() if file.exists() else []


def test_a_second_job_in_the_same_folder_is_refused(run, until, settings):
    job = run(POLITE)
    until(job, lambda: job.last(StartEvent))
    with pytest.raises(BadSettings, match="already running in"):
        Job.start(settings)


def test_a_job_that_does_not_stop_is_ended_after_its_grace(run, until, monkeypatch):
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    job = run(HEAD + 'say("start", batch=8)\nwait(lambda: False)')
    until(job, lambda: job.last(StartEvent))
    job.stop()
    until(job, lambda: not job.is_alive)
    assert job.state == "stopped"
    assert job.failure is None


def test_an_evaluation_is_not_ended_before_its_own_grace(run, until, monkeypatch):
    monkeypatch.setattr(process, "GRACE_S", 0.0)
    job = run(HEAD + 'say("start", batch=8)\nsay("stage", name="evaluating")\nwait(lambda: False)')
    until(job, lambda: job.last(StageEvent))
    job.stop()
    os.utime(job.control.stop_file, (0, time.time() - process.EVALUATION_GRACE_S + 60))
    job.poll()
    assert job.state == "stopping"
    os.utime(job.control.stop_file, (0, time.time() - process.EVALUATION_GRACE_S - 60))
    until(job, lambda: not job.is_alive)
    assert job.state == "stopped"


def test_the_time_of_an_evaluation_is_not_taken_from_what_follows(run, until):
    went_on = 'print(json.dumps({"event": "stage", "time": time.time(), "name": "training"}), flush=True)'
    job = run(f'{HEAD}say("start", batch=8)\nsay("stage", name="evaluating")\n{went_on}\nwait(lambda: False)')
    job.stop()
    os.utime(job.control.stop_file, (0, time.time() - process.GRACE_S + 30))  # not over before the stage is said
    until(job, lambda: job.last(StageEvent) and job.last(StageEvent).name == "training")
    os.utime(job.control.stop_file, (0, time.time() - process.GRACE_S - 60))
    job.poll()
    assert job.state == "stopping"


def test_a_failure_after_the_wish_to_stop_is_a_failure(run, until):
    script = 'say("start", batch=8)\nwait((out / "stop").exists)\nsay("failed", message="full", reason="disk")'
    job = run(HEAD + script)
    job.stop()
    until(job, lambda: not job.is_alive)
    assert job.state == "failed"
    assert (job.failure.message, job.failure.reason) == ("full", "disk")


def test_a_killed_job_is_explained_with_a_remedy_and_continues(run, until, settings, act):
    job = run(HEAD + 'say("start", batch=8)\nsay("step", step=40)\n(out / "last.pt").touch()\nwait(lambda: False)')
    until(job, lambda: job.last(StepEvent) and job.can_resume)
    job._process.kill()
    until(job, lambda: not job.is_alive)
    assert job.state == "failed"
    failure = job.failure
    assert "step 40" in failure.message
    assert (failure.reason, failure.remedy) == ("memory", {"batch": 4})
    act(POLITE)
    job.retry(**failure.remedy)
    until(job, lambda: job.state == "running")
    assert (job.settings.batch, job.settings.resume) == (4, True)
    assert job.failure is None


@pytest.fixture
def ended(run, until):
    """A job that was killed and left both of its states."""
    job = run(HEAD + '[(out / name).write_text(name) for name in ("last.pt", "previous.pt")]')
    until(job, lambda: not job.is_alive)
    return job


def test_starting_anew_keeps_the_states_under_other_names(ended, act, until):
    act(POLITE)
    ended.retry(resume=False)
    until(ended, lambda: ended.state == "running")
    assert not ended.settings.resume
    assert {p.name: p.read_text() for p in ended.folder.glob("*.pt")} == {
        "last.old.pt": "last.pt",
        "previous.old.pt": "previous.pt",
    }


def test_settings_that_are_refused_leave_the_states(ended):
    with pytest.raises(BadSettings, match="Cannot retry with"):
        ended.retry(resume=False, batch=0)
    assert sorted(p.name for p in ended.folder.glob("*.pt")) == ["last.pt", "previous.pt"]


@pytest.mark.parametrize(
    ("said", "remedy", "words"),
    [
        ("", {"batch": 4}, "may fit: batch 4."),  # before its first event: of the settings
        (
            'say("start", batch=8, tile=256)\nsay("notice", message="halved", batch=4)',
            {"batch": 2},
            "may fit: batch 2.",
        ),
        ('say("start", batch=1, tile=256)', {"batch": 1, "tile": 192}, "may fit: batch 1 and tile 192."),
        ('say("start", batch=1, tile=128)', {}, "other programs"),
    ],
)
def test_a_killed_job_is_never_proposed_what_it_was_killed_with(run, until, said, remedy, words):
    job = run(HEAD + f'{said}\n(out / "last.pt").touch()\nwait(lambda: False)', batch=8, tile=256)
    until(job, lambda: job.can_resume)
    job._process.kill()
    until(job, lambda: not job.is_alive)
    assert job.failure.reason == "memory"
    assert job.failure.remedy == remedy
    assert words in job.failure.message


def test_the_last_word_of_a_job_explains_its_failure(run, until):
    remedy = '{"batch": 2, "tile": 384}'
    job = run(HEAD + f'say("start", batch=4)\nsay("failed", message="too large", reason="memory", remedy={remedy})')
    until(job, lambda: not job.is_alive)
    assert job.failure.message == "too large"
    assert job.failure.remedy == {"batch": 2, "tile": 384}


def test_a_mistake_before_the_first_event_is_taken_from_the_log(run, until):
    job = run("import sys; print('noise on stdout'); sys.exit('Error: Expected a folder, got none.')")
    until(job, lambda: not job.is_alive)
    assert job.failure.message == "Expected a folder, got none."
    assert job.events() == []


def test_a_crash_says_how_and_where(run, until):
    job = run(HEAD + 'say("start", batch=4)\nos.abort()')
    until(job, lambda: not job.is_alive)
    assert "before its first step" in job.failure.message
    assert job.failure.reason == "crash"


def test_a_half_written_line_is_not_lost_and_spoils_no_other(run, until, act):
    job = run(HEAD + 'say("start", batch=4)\nsys.stdout.write(\'{"event": "st\')\nsys.stdout.flush()\nos._exit(1)')
    until(job, lambda: not job.is_alive)
    assert [e.event for e in job.events()] == ["start"]
    act(POLITE)
    job.resume()
    until(job, lambda: job.state == "running")
    assert [e.event for e in job.events()][:2] == ["start", "start"]


def test_another_process_of_the_same_number_is_not_ours(settings):
    settings.out.mkdir(parents=True)
    (settings.out / "run.json").write_text(settings.model_dump_json())
    record = {"pid": os.getpid(), "created": time.time() - 1e6, "offset": 0}
    (settings.out / "job.json").write_text(json.dumps(record))
    job = Job.open(settings.out)
    assert not job.is_alive
    job.kill()
    assert job.state == "failed"


def test_discarding_leaves_nothing(run, until):
    job = run(POLITE)
    until(job, lambda: job.last(StartEvent))
    job.discard()
    assert not job.is_alive
    assert not job.folder.exists()


def test_a_folder_that_cannot_be_written_says_so(act, settings, tmp_path):
    (tmp_path / "runs").write_text("a file")
    act(POLITE)
    with pytest.raises(CannotSave, match="Choose another folder"):
        Job.start(settings)


def test_following_ends_with_the_job(run):
    job = run(HEAD + 'say("start", batch=4)\nsay("done", step=1, stopped=False)')
    kinds = [e.event for events in job.follow(interval_s=0.02) for e in events]
    assert kinds == ["start", "done"]
    assert job.state == "done"
