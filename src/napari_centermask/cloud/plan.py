"""What would be submitted: a pure description to show before anything leaves this machine, and the steps that submit it."""

from __future__ import annotations

import datetime
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from napari_centermask import __version__
from napari_centermask.cloud.client import AzureJobs
from napari_centermask.cloud.endpoint_entities import SERVER
from napari_centermask.cloud.entities import NAME, compute_of, data_assets, environment_of, job_of
from napari_centermask.cloud.errors import CloudError, explained
from napari_centermask.cloud.pins import pinned
from napari_centermask.cloud.pipeline import STEP_H, Release, pipeline_of, with_gate, write_requirements
from napari_centermask.cloud.record import RECORD, JobRecord, write_record
from napari_centermask.cloud.sizes import Advice, Estimate, advise, estimate, size_named
from napari_centermask.cloud.staging import Staged, data_parts, files_of, plain_name, stage
from napari_centermask.cloud.sweep import check_sweep, sampling_of, sweep_of
from napari_centermask.cloud.workspace import Workspace
from napari_centermask.core.errors import BadSettings
from napari_centermask.jobs.command import FOLDERS, write_run
from napari_centermask.jobs.sweep.plan import SweepPlan
from napari_centermask.models.families import family_of
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.checks import check_data
from napari_centermask.training.run.scaling import scale_batch

if TYPE_CHECKING:
    from azure.ai.ml.entities import Command, Data, Environment, PipelineJob, Sweep


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
    sweep
        What is searched, if the run is the start of a sweep; `limit` is that of one trial then.
    concurrent
        Trials at a time.
    release
        What becomes of the model, if the run is the first step of a pipeline.
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
    sweep: SweepPlan | None = None
    concurrent: int = 1
    release: Release | None = None

    @property
    def node_hours(self) -> float:
        """At most, of all trials, and of the steps after the training."""
        more = 0 if self.release is None else 2 * STEP_H
        return self.limit.node_hours * (1 if self.sweep is None else self.sweep.trials) + more

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
            *([] if self.sweep is None else self._sweep_lines(self.sweep)),
            f"cost       {self.limit.summary}"
            if self.sweep is None
            else f"cost       At most {self.sweep.trials} trials x "
            f"{self.limit.node_hours:.3g} = {self.node_hours:.3g} node-hours, then the service ends the job",
            *(
                []
                if self.release is None
                else [f"pipeline   {self.node_hours:.3g} node-hours at most, with evaluation and release"]
            ),
            *([] if self.release is None else self.release.lines),
            *(f"note       {note}" for note in self.notes),
        ]

    def _sweep_lines(self, sweep: SweepPlan) -> list[str]:
        sampling = sampling_of(sweep)
        if sampling == "random" and sweep.sampler == "tpe":
            sampling += ", as Azure's Bayesian sampling knows neither early ends nor logarithmic ranges"
        ends = "; trials below the median are ended early" if sweep.prune else ""
        names = ", ".join(sweep.search)
        return [
            f"sweep      {sweep.trials} trials, {self.concurrent} at a time, over {names}, judged by {sweep.metric}",
            f"values     {sampling}{ends}",
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
    sweep: SweepPlan | None = None,
    concurrent: int = 1,
    release: Release | None = None,
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
    hours
        Limit of the job, or of each trial of a sweep, see `estimate`.
    sweep
        Search settings around those of the run; its folder becomes that of the job.
    concurrent
        Trials at a time, each on `nodes` machines.
    release
        Evaluate the model and release it if the gate recommends it, as a pipeline.

    Raises
    ------
    BadSettings, BadAnnotations, BadImage
        If the run could not start, or cannot be spread over several machines.
    """
    if release is not None:
        if sweep is not None:
            raise BadSettings("A sweep is not released: register its best model with `remote download --register`.")
        settings = with_gate(settings)
    advice = advise(settings)
    chosen = size or (advice.size.name if create else "")
    known = size_named(chosen)
    processes = processes or (max(1, known.gpus) if known else 1)
    limit = estimate(settings, nodes, hours)
    if sweep is not None:
        check_sweep(sweep, settings, processes=nodes * processes, is_scaled=scale)
        if concurrent < 1:
            raise BadSettings(f"At least 1 trial goes on at a time, got {concurrent}.")
        settings = settings.model_copy(update={"out": sweep.out})
    if settings.unlabelled and nodes > 1:
        raise BadSettings(
            "Unlabelled images are segmented by the first machine, for itself alone. Use one node, or leave them out."
        )
    if scale:
        settings = scale_batch(settings, nodes * processes)
    if settings.batch < nodes * processes and not (sweep and "batch" in sweep.search):
        raise BadSettings(
            f"{nodes * processes} processes need as many tiles per step, the run has {settings.batch}. "
            "Add --scale-batch or use fewer."
        )
    notes = tuple(check_data(settings))
    folders = [folder for field in FOLDERS for folder in getattr(settings, field)]
    parts = [part for folder in folders for part in data_parts(folder)]
    total = sum(path.stat().st_size for part in parts for path in (files_of(part) if part.is_dir() else [part]))
    made = chosen if create else ""
    return Plan(
        settings,
        workspace,
        compute,
        made,
        processes,
        limit,
        advice,
        total / 1e6,
        notes,
        sweep,
        min(concurrent, sweep.trials if sweep else 1),
        release,
    )


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
    jobs.create_compute(compute_of(plan.compute, plan.size, plan.limit.nodes * plan.concurrent))


def _submit_from(work: Path, folder: Path, plan: Plan, jobs: AzureJobs, say: Callable[[str], None]) -> JobRecord:
    staged = stage(plan.settings, work)
    names = {f"{field}_{n}": path.name for field in FOLDERS for n, path in enumerate(getattr(plan.settings, field))}
    extras = ["train", *family_of(plan.settings.model).extras]
    if plan.release is not None:
        extras.append("azure")
        write_requirements(staged, [*pinned(["onnx"]), SERVER])
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
        trials=0 if plan.sweep is None else plan.sweep.trials,
        is_pipeline=plan.release is not None,
    )
    with explained("describing the job"):
        job = _job(plan, staged, assets, environment, record.job)
    write_record(folder, record)
    try:
        page = jobs.submit(job)
    except CloudError:
        if _is_unknown(jobs, record.job):
            (folder / RECORD).unlink(missing_ok=True)
        raise
    say(f"Submitted {record.job}{f': {page}' if page else '.'}")
    return record


def _job(
    plan: Plan, staged: Staged, assets: dict[str, Data], environment: Environment, name: str
) -> Command | Sweep | PipelineJob:
    """The job of a plan: a run, a sweep or a pipeline."""
    where: _Where = {"name": name, "compute": plan.compute, "processes": plan.processes, "limit": plan.limit}
    if plan.release is not None:
        return pipeline_of(staged, assets, environment, release=plan.release, **where)
    job = job_of(staged, assets, environment, experiment=NAME, **where)
    if plan.sweep is None:
        return job
    return sweep_of(job, plan.sweep, plan.settings, concurrent=plan.concurrent, hours=plan.limit.hours)


class _Where(TypedDict):
    """What all kinds of jobs ask for."""

    name: str
    compute: str
    processes: int
    limit: Estimate


def _is_unknown(jobs: AzureJobs, job: str) -> bool:
    """Whether the service says that it has no such job; False also where it does not answer."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        jobs.status(job)
    except CloudError as error:
        return isinstance(error.__cause__, ResourceNotFoundError)
    return False
