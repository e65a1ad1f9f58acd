"""A run on Azure looks like a local one from its folder: events, a request to stop, its model, and why it failed."""

import json

import pytest

from napari_centermask.cloud.attend import attend, plan_for
from napari_centermask.cloud.errors import CloudError
from napari_centermask.cloud.record import read_record
from napari_centermask.events import ComparisonEvent, as_values
from napari_centermask.jobs.place import Place
from napari_centermask.models.store.zoo import find_model

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("service")]


@pytest.fixture(autouse=True)
def pins(monkeypatch):
    monkeypatch.setattr("napari_centermask.cloud.plan.pinned", lambda extras: ["torch==2.9.1"])


@pytest.fixture
def plan(run, workspace):
    place = Place(**workspace.model_dump(), compute="cpus", nodes=1, hours=2)
    return plan_for(run, place)


def report(service):
    for step in (20, 40):
        point = {"value": 1 / step, "step": step, "timestamp": 1000 * step}
        service.metrics.setdefault("loss_mask", []).append(point)
    service.tags["napari_centermask.start"] = json.dumps({"event": "start", "time": 1.0, "steps": 100})
    done = {"event": "done", "time": 99.0, "model": "outputs/mine/best.safetensors"}
    service.tags["napari_centermask.done"] = json.dumps(done)
    compared = {"event": "comparison", "time": 98.0, "recommended": True, "path": "outputs/mine/comparison.json"}
    service.tags["napari_centermask.comparison"] = json.dumps(compared)


def put_results(service, record):
    place = f"ExperimentRun/dcid.{record.job}"
    service.blobs[f"{place}/user_logs/std_log.txt"] = b'{"event": "done", "time": 1.0, "step": 100}\n'
    service.blobs[f"{place}/outputs/mine/best.safetensors"] = find_model("nuclei").weights.read_bytes()
    service.blobs[f"{place}/outputs/mine/comparison.json"] = b"{}"


def test_its_events_are_those_of_a_local_run_and_its_files_are_here(plan, jobs, service):
    report(service)
    folder = plan.settings.out
    folder.mkdir()
    (folder / "events.jsonl").write_text("being written\n")
    events = []
    for event in attend(plan, jobs, every_s=0):
        events.append(event)
        if event.event == "start":
            put_results(service, read_record(folder))
            service.status = "Completed"
    kinds = [event.event for event in events if event.event != "notice"]
    assert kinds == ["stage", "start", "step", "step", "stage", "comparison", "done"]
    assert any("https://ml.azure.com/runs/1" in event.message for event in events if event.event == "notice")
    (compared,) = [event for event in events if isinstance(event, ComparisonEvent)]
    assert compared.path == str(folder / "comparison.json")
    assert events[-1].model == str(folder / "best.safetensors")
    assert (folder / "best.safetensors").read_bytes() == find_model("nuclei").weights.read_bytes()
    assert (folder / "events.jsonl").read_text() == "being written\n"
    assert json.dumps([as_values(event) for event in events])


def test_a_request_to_stop_cancels_the_job_and_fetches_what_it_has(plan, jobs, service):
    report(service)
    events = []
    for event in attend(plan, jobs, every_s=60):
        events.append(event)
        if event.event == "start":
            put_results(service, read_record(plan.settings.out))
            (plan.settings.out / "stop").touch()
    assert service.status == "Canceled"
    assert sum(call.endswith("/cancel") for call in service.calls) == 1
    assert [event.name for event in events if event.event == "stage"][1:] == [
        "waiting until Azure has ended the job",
        "downloading the model",
    ]
    assert (events[-1].event, events[-1].stopped, bool(events[-1].model)) == ("done", True, True)
    assert not (plan.settings.out / "stop").exists()


def test_a_job_that_was_stopped_before_it_had_a_model_ends_without_one(plan, jobs, service):
    report(service)
    for event in attend(plan, jobs, every_s=60):
        if event.event == "start":
            record = read_record(plan.settings.out)
            service.blobs[f"ExperimentRun/dcid.{record.job}/user_logs/std_log.txt"] = b"noise"
            (plan.settings.out / "stop").touch()
    assert (event.event, event.stopped, event.model) == ("done", True, None)


def test_who_lost_sight_of_a_job_finds_it_again_and_one_that_failed_is_submitted_anew(plan, jobs, service):
    report(service)
    attended = attend(plan, jobs, every_s=0)
    next(event for event in attended if event.event == "start")
    attended.close()
    first = read_record(plan.settings.out)
    put_results(service, first)
    service.status = "Completed"
    assert [event.event for event in attend(plan, jobs, every_s=0)][-1] == "done"
    assert read_record(plan.settings.out) == first
    service.status, service.error = "Failed", "The node was preempted."
    with pytest.raises(CloudError, match="failed: The node was preempted"):
        list(attend(plan, jobs, every_s=0))
    assert (plan.settings.out / f"azure-{first.job}.json").exists()


def test_a_cancel_in_the_portal_is_an_error_that_says_so(plan, jobs, service):
    report(service)
    attended = attend(plan, jobs, every_s=0)
    next(event for event in attended if event.event == "start")
    service.status = "Canceled"
    with pytest.raises(CloudError, match="was cancelled. Submit the run again"):
        list(attended)


def stop_at_start(plan, jobs, then):
    for event in attend(plan, jobs, every_s=0):
        if event.event == "start":
            (plan.settings.out / "stop").touch()
            then()


def test_a_fault_after_a_request_to_stop_is_shown_and_the_request_stays(plan, jobs, service, monkeypatch):
    report(service)

    def unreachable(job):
        raise CloudError("Azure cannot be reached while cancelling the job.")

    with pytest.raises(CloudError, match="cannot be reached while cancelling"):
        stop_at_start(plan, jobs, lambda: monkeypatch.setattr(jobs, "cancel", unreachable))
    assert (plan.settings.out / "stop").exists()


def test_a_job_that_fails_while_it_is_being_stopped_says_why(plan, jobs, service, monkeypatch):
    report(service)

    def fail(job):
        service.status, service.error = "Failed", "The node was preempted."

    with pytest.raises(CloudError, match="failed: The node was preempted"):
        stop_at_start(plan, jobs, lambda: monkeypatch.setattr(jobs, "cancel", fail))
