"""Jobs on Azure Machine Learning: submit, follow, cancel and download, through its SDK and two REST interfaces."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_centermask.cloud.errors import WORKSPACE, CloudError, JobCancelled, explained
from napari_centermask.cloud.record import JobRecord
from napari_centermask.cloud.staging import OUTPUTS, files_of
from napari_centermask.cloud.workspace import Workspace
from napari_centermask.core.errors import BadModel
from napari_centermask.events import Event, NoticeEvent, StageEvent, parse
from napari_centermask.models.store.zoo import read_weights
from napari_centermask.training.run.mlflow_metrics import Point, events_of, rest_address

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import AmlCompute, Command, Data, PipelineJob, Sweep
    from azure.core import PipelineClient
    from azure.core.credentials import TokenCredential

ENDED = frozenset({"Completed", "Failed", "Canceled", "NotResponding"})
"""States in which a job stays."""
SCOPE = "https://management.azure.com/.default"
MODEL = "best.safetensors"
ENDING = "waiting until Azure has ended the job"
"""The stage after a request to stop."""
LOOK_S = 0.5
"""Between two looks whether to stop, in seconds: a choice, soon for a person."""
TRAINING = "trained"  # the step of a pipeline
BEST_TRIAL = "best_child_run_id"  # a property of sweep jobs
POINTS = 1000  # of a metric in one answer; MLflow allows more, and a longer history comes in pages


def _own_credential() -> TokenCredential:
    if "OBO_ENDPOINT" in os.environ:
        from azure.ai.ml.identity import AzureMLOnBehalfOfCredential

        return AzureMLOnBehalfOfCredential()
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


class AzureJobs:
    """The jobs of a workspace. Nothing is sent before a method is called.

    Every method raises `CloudError`, with a remedy, where the service cannot be reached or refuses.

    Parameters
    ----------
    credential
        By default the first that works of: environment variables, the managed identity of a machine, `az login`, and others
        (`DefaultAzureCredential`); in a job that acts in the name of who submitted it, theirs.
    """

    def __init__(self, workspace: Workspace, credential: TokenCredential | None = None) -> None:
        self.workspace = workspace
        with explained("looking for a credential"):
            self.credential = credential or _own_credential()

    @cached_property
    def ml(self) -> MLClient:
        """The SDK's client."""
        from azure.ai.ml import MLClient

        names = self.workspace
        return MLClient(
            self.credential,
            names.subscription_id,
            names.resource_group,
            names.workspace_name,
            show_progress=False,
            enable_telemetry=False,
        )

    @cached_property
    def _http(self) -> PipelineClient[Any, Any]:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

        return PipelineClient("", policies=[RetryPolicy(), BearerTokenCredentialPolicy(self.credential, SCOPE)])

    @cached_property
    def _tracking(self) -> str:
        """The workspace's MLflow server; also checks that there is such a workspace."""
        with explained(WORKSPACE):
            return str(self.ml.workspaces.get(self.workspace.workspace_name).mlflow_tracking_uri)

    def check(self) -> None:
        """Check credential, network and workspace."""
        assert self._tracking

    def find_compute(self, name: str) -> str | None:
        """The size of a compute's machines, "" if it does not say; None if there is no such compute."""
        from azure.core.exceptions import ResourceNotFoundError

        with explained(f"looking for the compute {name}"):
            try:
                return getattr(self.ml.compute.get(name), "size", None) or ""
            except ResourceNotFoundError:
                return None

    def computes(self) -> list[str]:
        """Names of the workspace's computes."""
        with explained("listing the computes"):
            return sorted(str(compute.name) for compute in self.ml.compute.list())

    def create_compute(self, compute: AmlCompute) -> None:
        """Make a cluster, and wait until it is there; its machines start with the first job."""
        with explained(f"making the compute {compute.name}"):
            self.ml.compute.begin_create_or_update(compute).result()

    def upload(self, data: Data) -> bool:
        """Make a data asset unless the same content is there already; whether it was uploaded."""
        from azure.core.exceptions import ResourceNotFoundError

        with explained(f"uploading {data.name}"):
            with suppress(ResourceNotFoundError):
                self.ml.data.get(data.name, version=data.version)
                return False
            self.ml.data.create_or_update(data)
            return True

    def submit(self, job: Command | Sweep | PipelineJob) -> str:
        """Submit a job; its page in the portal."""
        with explained("submitting the job"):
            return str(self.ml.jobs.create_or_update(job).studio_url or "")

    def status(self, job: str) -> str:
        """The state of a job in Azure's words, such as Queued, Running, Completed, Failed and Canceled."""
        with explained(f"looking for the job {job}"):
            status = self.ml.jobs.get(job).status
        return str(
            getattr(status, "value", status)
        )  # an enumeration, or text where a newer service has a state that it lacks

    def best_trial(self, sweep: str) -> str:
        """The name of the best trial of a sweep so far, a job of its own; "" if none has been judged."""
        with explained(f"looking for the sweep {sweep}"):
            return str((self.ml.jobs.get(sweep).properties or {}).get(BEST_TRIAL, ""))

    def step(self, pipeline: str, name: str) -> str:
        """The job of a pipeline's step; "" before it begins."""
        with explained(f"looking for the steps of {pipeline}"):
            steps = list(self.ml.jobs.list(parent_job_name=pipeline))
        return next((str(step.name) for step in steps if step.display_name == name), "")

    def cancel(self, job: str) -> None:
        """Ask for the end of a job."""
        with explained(f"cancelling the job {job}"):
            self.ml.jobs.begin_cancel(job)

    def events(self, job: str) -> list[Event]:
        """What the job has reported so far, from its metrics."""
        address = rest_address(self._tracking)
        data = self._get(f"{address}/runs/get", run_id=job)["run"]["data"]
        names = [metric["key"] for metric in data.get("metrics", [])]
        tags = {tag["key"]: tag["value"] for tag in data.get("tags", [])}
        return events_of({name: list(self._history(address, job, name)) for name in names}, tags)

    def use(self, job: str) -> dict[str, float]:
        """The newest figures of the machine: cpu_percent, gpu_percent, memory_mb."""
        data = self._get(f"{rest_address(self._tracking)}/runs/get", run_id=job)["run"]["data"]
        wanted = ("cpu_percent", "gpu_percent", "memory_mb")
        return {m["key"]: float(m["value"]) for m in data.get("metrics", []) if m["key"] in wanted}

    def _history(self, address: str, job: str, name: str) -> Iterator[Point]:
        page = ""
        while True:
            more = {"page_token": page} if page else {}
            where = f"{address}/metrics/get-history"
            answer = self._get(where, run_id=job, metric_key=name, max_results=str(POINTS), **more)
            for one in answer.get("metrics", []):
                yield Point(float(one["value"]), int(one.get("step", 0)), int(one["timestamp"]))
            page = answer.get("next_page_token", "")
            if not page:
                return

    def details(self, job: str) -> tuple[str, dict[str, str]]:
        """Why the job failed, in Azure's words, "" if it did not; and the addresses of its log files by their names."""
        host = "/".join(rest_address(self._tracking).split("/")[:3])
        answer = self._get(f"{host}/history/v1.0{self.workspace.scope}/runs/{job}/details")
        error = ((answer.get("error") or {}).get("error") or {}).get("message") or ""
        return str(error), dict(answer.get("logFiles") or {})

    def logs(self, job: str) -> dict[str, str]:
        """The text of the job's own log files, by their names."""
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import RetryPolicy
        from azure.core.rest import HttpRequest

        plain = PipelineClient(
            "", policies=[RetryPolicy()]
        )  # these addresses hold their own signature, and no token may go there
        texts = {}
        for name, address in sorted(self.details(job)[1].items()):
            if name.startswith("user_logs/"):
                with explained(f"reading {name}"):
                    answer = plain.send_request(HttpRequest("GET", address))
                    answer.raise_for_status()
                    texts[name] = answer.text("utf-8")
        return texts

    def _get(self, address: str, **query: str) -> Any:
        from azure.core.rest import HttpRequest

        with explained("reading what the job reports"):
            answer = self._http.send_request(HttpRequest("GET", address, params=query))
            answer.raise_for_status()
            try:
                return answer.json()
            except ValueError:
                raise CloudError(f"The answer of {address} is not JSON. Run the command again.") from None

    def download(self, record: JobRecord, folder: Path, *, keeps_events: bool = False) -> Path:
        """Download what the job has written into its run folder here, and check that the model is whole; returns the model.

        Parameters
        ----------
        keeps_events
            Whether events.jsonl here stays as it is, as where they are still written.

        Raises
        ------
        CloudError
            If the job has no model, or its file is incomplete; files that were here before are unchanged then.
        """
        if record.is_pipeline:
            raise CloudError(
                f"{record.job} is a pipeline. Its model is among the models of the workspace if the gate recommended it, and in "
                "any case in the output `run` of the pipeline in the portal."
            )
        part = Path(folder) / ".download"
        shutil.rmtree(part, ignore_errors=True)
        try:
            with explained(f"downloading the results of {record.job}"):
                self.ml.jobs.download(record.job, download_path=part)
            source = part / "artifacts" / OUTPUTS / record.out
            try:
                read_weights(source / MODEL)
            except BadModel as error:
                raise CloudError(
                    f"The job {record.job} has no usable model here ({error}) If it has ended well, download it again; "
                    "nothing was replaced."
                ) from error
            _keep_events(part / "artifacts" / "user_logs", source)
            for path in list(files_of(source)):
                target = Path(folder) / path.relative_to(source)
                kept = {"run.json", *(["events.jsonl"] if keeps_events else [])}  # with the paths of this machine
                if target.name in kept:
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return Path(folder) / MODEL

    def register(self, record: JobRecord, name: str, properties: dict[str, str]) -> str:
        """Register the job's model in the workspace; the version that it gets."""
        job = self.best_trial(record.job) if record.trials else record.job
        path = f"azureml://jobs/{job}/outputs/artifacts/paths/{OUTPUTS}/{record.out}/{MODEL}"
        return self.register_path(path, name, properties)

    def register_path(self, path: str, name: str, properties: dict[str, str]) -> str:
        """Register a file or folder, here or in the workspace, as a model; the version that it gets."""
        with explained(f"registering the model {name}"):
            from azure.ai.ml.entities import Model

            model = Model(name=name, path=path, type="custom_model", properties=properties)
            return str(self.ml.models.create_or_update(model).version)


def _keep_events(logs: Path, target: Path) -> None:
    """Write the events in the log of the first process, which are complete, as the run folder of a local job has them."""
    for path in files_of(logs) if logs.is_dir() else ():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if events := [line for line in lines if parse(line) is not None]:
            (target / "events.jsonl").write_text("\n".join(events) + "\n", encoding="utf-8")
            return


def _wait(seconds: float, *, until: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not until() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, LOOK_S))


def _reported(jobs: AzureJobs, record: JobRecord, *, is_over: bool) -> list[Event]:
    if record.is_pipeline:
        training = jobs.step(record.job, TRAINING)
        return jobs.events(training) if training else []
    if not record.trials:
        return jobs.events(record.job)
    best = jobs.best_trial(record.job)
    known: list[Event] = [NoticeEvent(time=0, message=f"The best trial is {best}.")] if best else []
    return [*known, *(jobs.events(best) if best and is_over else [])]


def follow(
    jobs: AzureJobs, record: JobRecord, *, every_s: float = 10.0, ends: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Yield the events of a job as they come, until it has ended; of a sweep, which trial is the best, and at the end its events.

    Parameters
    ----------
    ends
        Asked often whether to cancel the job.

    Raises
    ------
    JobCancelled
        If it was cancelled.
    CloudError
        If it failed: why, and where to read more.
    """
    seen: set[str] = set()
    is_cancelled = False
    while True:
        if ends() and not is_cancelled:
            is_cancelled = True
            yield StageEvent(name=ENDING)
            jobs.cancel(record.job)
        status = jobs.status(record.job)
        for event in _reported(jobs, record, is_over=status in ENDED):
            key = json.dumps(event.model_dump(mode="json"), sort_keys=True)
            if key not in seen:
                seen.add(key)
                yield event
        if status in ENDED:
            break
        _wait(every_s, until=(lambda: False) if is_cancelled else ends)
    if status == "Canceled":
        raise JobCancelled(
            f"The job {record.job} was cancelled. Submit the run again, in a new run folder, to start over."
        )
    if status != "Completed":
        why = jobs.details(record.job)[0] or f"its state is {status}"
        raise CloudError(
            f"The job {record.job} failed: {why.rstrip('.')}. See its log: napari-centermask remote logs FOLDER"
        )
