"""From a run file to a model and back, through Azure's own SDK against a stand-in at the HTTP transport."""

import json
import re

import pytest

from napari_centermask.cloud.errors import CloudError
from napari_centermask.cloud.plan import make_plan, submit
from napari_centermask.cloud.record import read_record
from napari_centermask.core.errors import BadSettings
from napari_centermask.events import StepEvent, as_values

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("service")]


@pytest.fixture(autouse=True)
def pins(monkeypatch):
    monkeypatch.setattr("napari_centermask.cloud.plan.pinned", lambda extras: ["torch==2.9.1", "numpy==2.4.6"])


@pytest.fixture
def plan(run, workspace):
    return make_plan(run, workspace, "cpus")


def test_a_run_is_submitted_with_its_data_environment_and_compute(plan, jobs, service):
    said = []
    record = submit(plan, jobs, said.append)
    assert read_record(plan.settings.out) == record
    (job,) = [body for path, body in service.resources.items() if path.startswith("/jobs/")]
    sent = job["properties"]
    assert sent["command"].startswith("python -m napari_centermask train run.json --json --data ${{inputs.data_0}}")
    assert sent["computeId"].endswith("/computes/cpus")
    assert sent["limits"]["timeout"] == "PT2H30M"
    assert "/data/centermask-fields/versions/" in sent["inputs"]["data_0"]["uri"]
    (environment,) = [body for path, body in service.resources.items() if path.startswith("/environments/")]
    assert "torch==2.9.1" in environment["properties"]["condaFile"]
    uploaded = {name.rsplit("/", 1)[-1] for name in service.blobs}
    assert {"train.png", "annotations_val.json", "run.json", "loop.py"} <= uploaded
    assert "https://ml.azure.com/runs/1" in said[-1]
    assert not list(plan.settings.out.glob(".submit-*"))


def test_the_same_data_are_uploaded_once(plan, jobs, service):
    submit(plan, jobs, print)
    (plan.settings.out / "azure.json").unlink()
    said = []
    submit(plan, jobs, said.append)
    assert "It is there already." in said
    with pytest.raises(CloudError, match="has a job on Azure already"):
        submit(plan, jobs, print)


def test_an_unknown_compute_is_refused_with_those_that_there_are_before_any_upload(run, workspace, jobs, service):
    with pytest.raises(
        CloudError, match="no compute gpus; it has: cpus.*--create-compute to make it of Standard_F16s_v2"
    ):
        submit(make_plan(run, workspace, "gpus"), jobs, print)
    assert not service.blobs


def test_a_compute_is_made_on_request(run, workspace, jobs, service):
    submit(make_plan(run, workspace, "gpus", create=True, size="Standard_NC64as_T4_v3", nodes=1), jobs, print)
    made = service.resources["/computes/gpus"]["properties"]
    assert made["properties"]["vmSize"] == "Standard_NC64as_T4_v3"
    assert made["properties"]["scaleSettings"]["minNodeCount"] == 0
    (job,) = [body for path, body in service.resources.items() if path.startswith("/jobs/")]
    assert job["properties"]["distribution"] == {"distributionType": "PyTorch", "processCountPerInstance": 4}


@pytest.mark.parametrize(
    ("call", "refusal", "message"),
    [
        ("GET ", (404, "ResourceNotFound", "The workspace lab was not found."), "no such workspace.*config.json"),
        ("GET ", (403, "AuthorizationFailed", "The client has no permission."), "not allowed.*Data Scientist"),
        (
            "PUT /computes/",
            (400, "BadRequest", "Quota of family NCASv3_T4 exceeded."),
            "quota does not allow.*smaller size",
        ),
        ("PUT /jobs/", (500, "InternalError", "Try later."), "busy or has a fault.*run the command again"),
    ],
    ids=["workspace", "role", "quota", "fault"],
)
def test_a_refusal_says_what_to_do(run, workspace, jobs, service, call, refusal, message):
    service.refusals[call] = refusal
    with pytest.raises(CloudError, match=message):
        submit(make_plan(run, workspace, "new", create=True), jobs, print)


def test_without_a_network_nothing_is_lost(plan, jobs, service):
    service.is_offline = True
    with pytest.raises(CloudError, match="cannot be reached.*Check the network"):
        submit(plan, jobs, print)
    service.is_offline = False
    assert submit(plan, jobs, print).compute == "cpus"


def test_without_a_credential_the_remedy_is_to_log_in(plan, jobs, monkeypatch):
    from azure.identity import CredentialUnavailableError

    def refuse(*_, **__):
        raise CredentialUnavailableError("No account was found.")

    monkeypatch.setattr(type(jobs.credential), "get_token", refuse)
    with pytest.raises(CloudError, match="accepts no credential.*az login"):
        submit(plan, jobs, print)


def _report(service, count):
    events = [StepEvent(time=1000.0 + n, step=20 * n, part=n / 5, losses={"loss_mask": 1 / n}) for n in range(1, count)]
    for event in events:
        for key, value in (("part", event.part), ("loss_mask", event.losses["loss_mask"])):
            point = {"value": value, "step": event.step, "timestamp": int(event.time * 1000)}
            service.metrics.setdefault(key, []).append(point)
    service.metrics["cpu_percent"] = [{"value": 90.0, "step": 20, "timestamp": 1}]
    service.tags["napari_centermask.start"] = json.dumps({"event": "start", "time": 999.0, "steps": 100})
    return events


def test_a_job_is_followed_by_its_metrics_to_its_end(plan, jobs, service):
    from napari_centermask.cloud.client import follow

    record = submit(plan, jobs, print)
    sent = _report(service, 4)
    service.status = "Completed"
    start, *steps = follow(jobs, record, every_s=0)
    assert (start.event, start.steps) == ("start", 100)
    assert [as_values(step) for step in steps] == [as_values(step) for step in sent]
    assert jobs.use(record.job) == {"cpu_percent": 90.0}


def test_a_job_that_failed_or_was_cancelled_says_so(plan, jobs, service):
    from napari_centermask.cloud.client import follow

    record = submit(plan, jobs, print)
    service.status, service.error = "Failed", "The node was preempted."
    with pytest.raises(CloudError, match="failed: The node was preempted. See its log"):
        list(follow(jobs, record, every_s=0))
    jobs.cancel(record.job)
    assert jobs.status(record.job) == "Canceled"
    with pytest.raises(CloudError, match="was cancelled"):
        list(follow(jobs, record, every_s=0))


def test_logs_are_read_without_sending_a_token_to_the_storage(plan, jobs, service):
    record = submit(plan, jobs, print)
    service.blobs["std_log.txt"] = b"step 20"
    assert jobs.logs(record.job) == {"user_logs/std_log.txt": "step 20"}


@pytest.fixture
def results(jobs, service, plan, shared_model):
    """A job that has ended; returns its record and the name of its model's blob."""
    record = submit(plan, jobs, print)
    service.status = "Completed"
    place = f"ExperimentRun/dcid.{record.job}"
    service.blobs[f"{place}/user_logs/std_log.txt"] = b'noise\n{"event": "done", "time": 1.0, "step": 100}\n'
    service.blobs[f"{place}/outputs/mine/run.json"] = b"{}"
    service.blobs[f"{place}/outputs/mine/best.safetensors"] = shared_model
    return record, f"{place}/outputs/mine/best.safetensors"


@pytest.fixture
def shared_model():
    """The bytes of a model."""
    from napari_centermask.models.store.zoo import find_model

    return find_model("nuclei").weights.read_bytes()


def test_the_model_and_the_events_are_downloaded(results, jobs, plan, shared_model):
    record, _ = results
    before = (plan.settings.out / "run.json").read_text()
    model = jobs.download(record, plan.settings.out)
    assert model.read_bytes() == shared_model
    assert (plan.settings.out / "run.json").read_text() == before
    assert json.loads((plan.settings.out / "events.jsonl").read_text())["event"] == "done"
    assert not (plan.settings.out / ".download").exists()


def test_a_model_that_came_half_replaces_nothing(results, jobs, service, plan):
    record, name = results
    model = jobs.download(record, plan.settings.out)
    whole = model.read_bytes()
    service.blobs[name] = whole[: len(whole) // 2]
    with pytest.raises(CloudError, match="no usable model here.*nothing was replaced"):
        jobs.download(record, plan.settings.out)
    assert model.read_bytes() == whole


def test_a_model_is_registered_with_what_it_came_from(results, jobs, service):
    record, _ = results
    service.resources["/models/mine/versions/3"] = {"properties": {"modelUri": "m", "flavors": {}, "tags": {}}}
    jobs.register(record, "mine", {"steps": "100"})
    models = [body["properties"] for path, body in service.resources.items() if path.startswith("/models/mine/")]
    (sent,) = [properties for properties in models if properties["modelUri"] != "m"]
    assert record.job in sent["modelUri"]
    assert sent["properties"]["steps"] == "100"


def test_the_command_registers_a_model_that_was_downloaded_and_asks_for_it_before(
    results, jobs, plan, monkeypatch, capsys
):
    from napari_centermask.cli import remote

    record, _ = results
    monkeypatch.setattr(remote, "_open", lambda folder: (jobs, record))
    with pytest.raises(BadSettings, match="no model yet.*remote download"):
        remote.register(plan.settings.out, "mine")
    jobs.download(record, plan.settings.out)
    assert remote.register(plan.settings.out, "mine") == 0
    assert re.fullmatch(r"Registered as mine:\d+\.\n", capsys.readouterr().out)


def test_a_sweep_is_submitted_followed_and_its_best_trial_downloaded(run, workspace, jobs, service, shared_model):
    from napari_centermask.cloud.client import follow
    from napari_centermask.jobs.sweep.plan import SweepPlan

    search = {"learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}}
    sweep = SweepPlan(run="run.json", out=run.out.with_name("sweep"), search=search, trials=6)
    plan = make_plan(run, workspace, "cpus", sweep=sweep, concurrent=3)
    assert plan.node_hours == 6 * 2.5
    assert any("6 trials x 2.5 = 15 node-hours" in line for line in plan.lines)
    record = submit(plan, jobs, print)
    (job,) = [body["properties"] for path, body in service.resources.items() if path.startswith("/jobs/")]
    assert (job["jobType"], job["limits"]["maxTotalTrials"]) == ("Sweep", 6)
    assert job["objective"] == {"goal": "maximize", "primaryMetric": "val_AP"}
    assert jobs.best_trial(record.job) == ""
    trial = f"{record.job}_3"
    service.resources[f"/jobs/{record.job}"]["properties"]["properties"] = {"best_child_run_id": trial}
    child = {"jobType": "Command", "command": "train", "environmentId": "e", "status": "Completed", "properties": {}}
    service.resources[f"/jobs/{trial}"] = {"properties": child}
    _report(service, 3)
    service.status = "Completed"
    notice, _start, *steps = follow(jobs, record, every_s=0)
    assert notice.message == f"The best trial is {trial}."
    assert [step.step for step in steps] == [20, 40]
    service.blobs[f"ExperimentRun/dcid.{trial}/outputs/sweep/best.safetensors"] = shared_model
    assert jobs.download(record, sweep.out).read_bytes() == shared_model
    jobs.register(record, "mine", {})
    (sent,) = [body["properties"] for path, body in service.resources.items() if path.startswith("/models/mine/")]
    assert trial in sent["modelUri"]


def test_a_pipeline_is_submitted_and_its_training_followed(run, workspace, jobs, service):
    from napari_centermask.cloud.client import follow
    from napari_centermask.cloud.pipeline import Release

    plan = make_plan(run.model_copy(update={"start": "nuclei"}), workspace, "cpus", release=Release("mine", "cells"))
    assert plan.settings.compare
    assert plan.node_hours == 4.5
    assert any(
        "registered as mine if the gate recommends it; then deployed to cells: 24 node-hours" in x for x in plan.lines
    )
    record = submit(plan, jobs, print)
    (sent,) = [body["properties"] for path, body in service.resources.items() if path == f"/jobs/{record.job}"]
    assert (sent["jobType"], sent["jobs"].keys()) == ("Pipeline", {"trained", "judged", "release"})
    assert sent["jobs"]["release"]["identity"]["identity_type"] == "UserIdentity"
    assert {name.rsplit("/", 1)[-1] for name in service.blobs} >= {"endpoint.txt", "run.json"}
    _report(service, 3)
    service.status = "Completed"
    assert list(follow(jobs, record, every_s=0)) == []
    step = {"jobType": "Command", "command": "train", "environmentId": "e", "displayName": "trained", "properties": {}}
    service.resources[f"/jobs/{record.job}-1"] = {"properties": step}
    events = list(follow(jobs, record, every_s=0))
    assert [event.step for event in events[1:]] == [20, 40]
    with pytest.raises(CloudError, match="is a pipeline.*models of the workspace"):
        jobs.download(record, run.out)


def test_a_pipeline_needs_a_start_model_for_its_gate(run, workspace):
    from napari_centermask.cloud.pipeline import Release
    from napari_centermask.core.errors import BadSettings

    with pytest.raises(BadSettings, match="The gate compares the new model with its start model"):
        make_plan(run, workspace, "cpus", release=Release("mine"))
