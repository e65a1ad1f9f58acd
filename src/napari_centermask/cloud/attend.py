"""Attend a run on Azure from a run folder here: submit it, report its events, pass a request to stop on, fetch the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from napari_centermask.cloud.client import ENDED, MODEL, AzureJobs, follow
from napari_centermask.cloud.errors import CloudError, JobCancelled
from napari_centermask.cloud.plan import Plan, make_plan, submit
from napari_centermask.cloud.record import RECORD, JobRecord, read_record
from napari_centermask.cloud.workspace import Workspace
from napari_centermask.core.errors import BadModel
from napari_centermask.events import ComparisonEvent, DoneEvent, Event, FailedEvent, NoticeEvent, StageEvent
from napari_centermask.jobs.place import Place
from napari_centermask.models.store.zoo import read_weights
from napari_centermask.settings import TrainSettings
from napari_centermask.training.run.folder import Control

FETCHING = "downloading the model"
"""The last stage."""


def workspace_of(place: Place) -> Workspace:
    """The workspace of a place."""
    names = place.subscription_id, place.resource_group, place.workspace_name
    return Workspace(subscription_id=names[0], resource_group=names[1], workspace_name=names[2])


def plan_for(settings: TrainSettings, place: Place) -> Plan:
    """What a run takes at a place.

    Raises
    ------
    BadSettings, BadAnnotations, BadImage
        As `make_plan`.
    """
    return make_plan(
        settings,
        workspace_of(place),
        place.compute,
        create=place.create,
        size=place.size,
        nodes=place.nodes,
        hours=place.hours,
    )


def attend(plan: Plan, jobs: AzureJobs, *, every_s: float = 10.0) -> Iterator[Event]:
    """Yield the events of a run on Azure until its model is here; a job that was submitted before is followed further.

    A file `stop` in the run folder cancels the job; what it has written until then is fetched.

    Raises
    ------
    CloudError
        If it failed, was cancelled by somebody else, or the service cannot be reached; a request to stop stays for the next time.
    """
    folder = plan.settings.out.expanduser().resolve()
    control = Control(folder)
    record = _submitted(folder, jobs)
    if record is None:
        yield StageEvent(name="submitting the run to Azure")
        said: list[str] = []
        record = submit(plan, jobs, said.append)
        yield from (NoticeEvent(message=text) for text in said)
    compared: list[ComparisonEvent] = []
    try:
        for event in follow(jobs, record, every_s=every_s, ends=lambda: control.stopped):
            if isinstance(event, ComparisonEvent):  # its file is not here yet
                compared.append(event)
            elif not isinstance(event, DoneEvent | FailedEvent):
                yield event
    except JobCancelled:
        if not control.stopped:
            raise
    yield from _fetch(jobs, record, folder, compared, is_stopped=control.stopped)
    control.clear()


def _submitted(folder: Path, jobs: AzureJobs) -> JobRecord | None:
    """The job of a run folder; None if there is none to follow: one that failed or was cancelled is set aside."""
    if not (folder / RECORD).exists():
        return None
    record = read_record(folder)
    if jobs.status(record.job) in ENDED - {"Completed"}:
        (folder / RECORD).replace(folder / f"azure-{record.job}.json")
        return None
    return record


def _fetch(
    jobs: AzureJobs, record: JobRecord, folder: Path, compared: list[ComparisonEvent], *, is_stopped: bool
) -> Iterator[Event]:
    yield StageEvent(name=FETCHING)
    try:
        model: Path | None = jobs.download(record, folder, keeps_events=True)
    except CloudError as error:
        if not is_stopped or not isinstance(error.__cause__, BadModel):
            raise
        model = None
        yield NoticeEvent(message="The job had no model yet when it was stopped.")
    yield from (event.model_copy(update={"path": str(folder / "comparison.json")}) for event in compared[-1:])
    steps = 0 if model is None else int(read_weights(model).card.training.get("steps", 0))
    yield DoneEvent(
        step=steps, out=str(folder), stopped=is_stopped, model=None if model is None else str(folder / MODEL)
    )
