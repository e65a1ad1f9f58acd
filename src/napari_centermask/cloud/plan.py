"""What would be submitted: a pure description to show before anything leaves this machine, and the steps that submit it."""

from __future__ import annotations

import datetime
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_centermask import __version__
from napari_centermask.cloud.client import AzureJobs
from napari_centermask.cloud.entities import NAME, compute_of, data_assets, environment_of, job_of
from napari_centermask.cloud.errors import CloudError, explained
from napari_centermask.cloud.pins import pinned
from napari_centermask.cloud.record import RECORD, JobRecord, write_record
from napari_centermask.cloud.sizes import Advice, Estimate, advise, estimate, size_named
from napari_centermask.cloud.staging import data_parts, files_of, plain_name, stage
from napari_centermask.cloud.workspace import Workspace
from napari_centermask.core.errors import BadSettings
from napari_centermask.jobs.command import FOLDERS, write_run
from napari_centermask.models.families import family_of
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.checks import check_data
from napari_centermask.training.run.scaling import scale_batch


@dataclass(frozen=True)
class Plan:
    """A run on rented machines.

    Attributes
    ----------
    settings
        Already scaled.
    size
        Of machines to make the compute of, if it is to be made; else "".
    processes
        On each machine.
    notes
        About the data, for a person.
    """

    settings: TrainSettings
    workspace: Workspace
    compute: str
    size: str
    processes: int
    limit: Estimate
    advice: Advice
    data_mb: float
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The plan in words."""
        run, where = self.settings, self.workspace
        made = f", made of {self.size}" if self.size else ""
        return [
            f"workspace  {where.workspace_name} in {where.resource_group}",
            f"compute    {self.compute}{made}: {self.limit.nodes} x {self.processes} processes",
            f"advice     {self.advice.size.summary}: {self.advice.reason}.",
            f"data       {self.data_mb:,.1f} MB to upload, unless they are there already",
            f"run        {run.steps:,} steps of {run.batch} tiles of {run.tile} pixels, learning rate {run.learning_rate:g}",
            f"cost       {self.limit.summary}",
            *(f"note       {note}" for note in self.notes),
        ]


def make_plan(
    settings: TrainSettings,
    workspace: Workspace,
    compute: str,
    *,
    create: bool = False,
    size: str | None = None,
    nodes: int = 1,
    processes: int | None = None,
    scale: bool = False,
    hours: float | None = None,
) -> Plan:
    """Check the run and its data, and say what it takes; nothing is sent.

    Parameters
    ----------
    create
        Whether to make the compute if the workspace has none of this name, of machines of `size` or else of the advised size.
    processes
        On each machine; by default one for each GPU of a size that we know, else one.
    scale
        Use the batch of the settings in each process, see `scale_batch`.

    Raises
    ------
    BadSettings, BadAnnotations, BadImage
        If the run could not start, or cannot be spread over several machines.
    """
    advice = advise(settings)
    chosen = size or (advice.size.name if create else "")
    known = size_named(chosen)
    processes = processes or (max(1, known.gpus) if known else 1)
    limit = estimate(settings, nodes, hours)
    if settings.unlabelled and nodes > 1:
        raise BadSettings(
            "Unlabelled images are segmented by the first machine, for itself alone. Use one node, or leave them out."
        )
    if scale:
        settings = scale_batch(settings, nodes * processes)
    if settings.batch < nodes * processes:
        raise BadSettings(
            f"{nodes * processes} processes need as many tiles per step, the run has {settings.batch}. "
            "Add --scale-batch or use fewer."
        )
    notes = tuple(check_data(settings))
    folders = [folder for field in FOLDERS for folder in getattr(settings, field)]
    parts = [part for folder in folders for part in data_parts(folder)]
    total = sum(path.stat().st_size for part in parts for path in (files_of(part) if part.is_dir() else [part]))
    return Plan(settings, workspace, compute, chosen if create else "", processes, limit, advice, total / 1e6, notes)


def submit(plan: Plan, jobs: AzureJobs, say: Callable[[str], None]) -> JobRecord:
    """Make what the job needs in the workspace, and submit it.

    The compute comes first, then the data, which take longest; each is found again if a later step fails. The record is
    written before the job is submitted, so that a job whose confirmation was lost on the way can be followed.

    Raises
    ------
    CloudError
        If a job of this run folder was submitted before, or the service refuses something.
    """
    folder = plan.settings.out.expanduser().resolve()
    if (folder / RECORD).exists():
        raise CloudError(f"{folder} has a job on Azure already. Choose another run folder with `out` in the run file.")
    jobs.check()
    _prepare_compute(plan, jobs, say)
    run_file = write_run(plan.settings)
    work = Path(tempfile.mkdtemp(prefix=".submit-", dir=run_file.parent))
    try:
        return _submit_from(work, folder, plan, jobs, say)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _prepare_compute(plan: Plan, jobs: AzureJobs, say: Callable[[str], None]) -> None:
    if jobs.find_compute(plan.compute) is not None:
        return
    if not plan.size:
        there = ", ".join(jobs.computes()) or "none"
        raise CloudError(
            f"The workspace has no compute {plan.compute}; it has: {there}. Name one of them, or add --create-compute to "
            f"make it of {plan.advice.size.name}."
        )
    say(f"Making the compute {plan.compute} of {plan.size}...")
    jobs.create_compute(compute_of(plan.compute, plan.size, plan.limit.nodes))


def _submit_from(work: Path, folder: Path, plan: Plan, jobs: AzureJobs, say: Callable[[str], None]) -> JobRecord:
    staged = stage(plan.settings, work)
    names = {f"{field}_{n}": path.name for field in FOLDERS for n, path in enumerate(getattr(plan.settings, field))}
    extras = ["train", *family_of(plan.settings.model).extras]
    with explained("describing the job"):
        assets = data_assets(staged, names)
        environment = environment_of(pinned(extras), ".".join(platform.python_version_tuple()[:2]), work)
    for asset in assets.values():
        say(f"Uploading {asset.name}...")
        say("Uploaded." if jobs.upload(asset) else "It is there already.")
    now = datetime.datetime.now(datetime.UTC)
    record = JobRecord(
        workspace=plan.workspace,
        job=f"{plain_name(folder.name)}-{now:%Y%m%d-%H%M%S}".lower(),
        out=plain_name(plan.settings.out.name),
        compute=plan.compute,
        nodes=plan.limit.nodes,
        processes=plan.processes,
        environment=f"{environment.name}:{environment.version}",
        data={asset.name: str(asset.version) for asset in assets.values()},
        submitted=now.isoformat(timespec="seconds"),
        version=__version__,
    )
    with explained("describing the job"):
        job = job_of(
            staged,
            assets,
            environment,
            name=record.job,
            compute=plan.compute,
            processes=plan.processes,
            limit=plan.limit,
            experiment=NAME,
        )
    write_record(folder, record)
    try:
        page = jobs.submit(job)
    except CloudError:
        if _is_unknown(jobs, record.job):
            (folder / RECORD).unlink(missing_ok=True)
        raise
    say(f"Submitted {record.job}{f': {page}' if page else '.'}")
    return record


def _is_unknown(jobs: AzureJobs, job: str) -> bool:
    """Whether the service says that it has no such job; False also where it does not answer."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        jobs.status(job)
    except CloudError as error:
        return isinstance(error.__cause__, ResourceNotFoundError)
    return False
