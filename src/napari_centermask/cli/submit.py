"""`submit`: train a run file on Azure Machine Learning."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from napari_centermask.cli.output import notice, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.cloud.pipeline import Release
from napari_centermask.cloud.plan import Plan, make_plan
from napari_centermask.cloud.plan import submit as submit_plan
from napari_centermask.cloud.workspace import read_workspace
from napari_centermask.core.errors import BadSettings, UserError
from napari_centermask.jobs.command import check_new_run
from napari_centermask.jobs.sweep.plan import read_plan, read_run
from napari_centermask.settings import TrainSettings
from napari_centermask.training.run.copies import with_copies


def submit(
    run: Path,
    /,
    *,
    workspace: Path = Path("config.json"),
    compute: str,
    create_compute: Flag = False,
    size: str | None = None,
    nodes: int = 1,
    processes: int | None = None,
    scale_batch: Flag = False,
    hours: float | None = None,
    concurrent: int = 2,
    register: str | None = None,
    endpoint: str | None = None,
    yes: Flag = False,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Train a run file on Azure Machine Learning; what it takes is shown first, and nothing is sent without a confirmation.

    `finetune --dry-run` writes a run file. For example:

      napari-centermask submit runs/mine/run.json --compute gpu-cluster --dry-run

      napari-centermask submit runs/mine/run.json --compute gpu-cluster --create-compute

      napari-centermask submit run.json --compute big --nodes 2 --processes 4 --scale-batch --yes

      napari-centermask submit plan.json --compute gpu-cluster --concurrent 4

      napari-centermask submit run.json --compute gpu-cluster --register mine --endpoint cells

    Parameters
    ----------
    run
        JSON file with the settings of the run, as for `train`, or with the plan of a sweep, as for `sweep`.
    workspace
        The file config.json of the workspace, from its page in the portal.
    compute
        Name of the compute that trains.
    create_compute
        Make it if the workspace has none of this name.
    size
        The size of its machines; by default the advised one, which is shown with the reason.
    nodes
        Number of machines.
    processes
        Processes on each machine; by default one for each GPU of `size`.
    scale_batch
        Use the tiles per step of the run file in each process, with a learning rate that grows in proportion and fewer steps.
        Otherwise the processes share them.
    hours
        Time after which Azure ends the job, or each trial of a sweep; by default twice the time limit of the run and half an
        hour, or 24.
    concurrent
        Trials of a sweep at a time.
    register
        Train, evaluate, and register the model under this name if the gate recommends it, as a pipeline.
    endpoint
        Deploy it to this endpoint then; see `endpoint`.
    yes
        Submit without asking.
    dry_run
        Only show what would be submitted.
    json
        Print the job, or with --dry-run the plan, as JSON.
    """
    sweep, settings = read_plan(run) if _is_sweep(run) else (None, read_run(run))
    if endpoint and not register:
        raise BadSettings("--endpoint deploys a registered model. Add --register NAME.")
    release = Release(register, endpoint or "") if register else None
    with TemporaryDirectory(prefix="centermask-", ignore_cleanup_errors=True) as temporary:  # nothing stays of a plan
        plan = make_plan(
            with_copies(settings, place=Path(temporary), say=notice),
            read_workspace(workspace),
            compute,
            create=create_compute,
            size=size,
            nodes=nodes,
            processes=processes,
            scale=scale_batch,
            hours=hours,
            sweep=sweep,
            concurrent=concurrent,
            release=release,
        )
    _show(plan, of=settings, json=json and dry_run)
    if dry_run:
        return 0
    check_new_run(plan.settings.out)
    if not yes and not confirmed("Submit this?"):
        raise UserError("Nothing was submitted. Confirm with y, or add --yes.")
    from napari_centermask.cloud.client import AzureJobs

    ready = with_copies(settings)  # of data of other tools, only what the training reads travels
    folders = {"data": ready.data, "replay": ready.replay}
    plan = replace(plan, settings=plan.settings.model_copy(update=folders))
    record = submit_plan(plan, AzureJobs(plan.workspace), notice)
    folder = plan.settings.out
    print_json(record.model_dump(mode="json") | {"out": folder}) if json else print(
        f"Follow it with: napari-centermask remote follow {folder}"
    )
    return 0


def _is_sweep(path: Path) -> bool:
    """Whether a file is the plan of a sweep; a file that cannot be read is not, and is reported as a run file."""
    try:
        values = json_module.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and "search" in values


def _show(plan: Plan, *, of: TrainSettings, json: bool) -> None:
    """Print the plan; its settings name the folders of the run file."""
    if not json:
        for line in plan.lines:
            notice(line)
        return
    print_json(
        {
            "compute": plan.compute,
            "size": plan.size or None,
            "advice": {"size": plan.advice.size.name, "reason": plan.advice.reason},
            "nodes": plan.limit.nodes,
            "processes": plan.processes,
            "hours": plan.limit.hours,
            "node_hours": plan.node_hours,
            "trials": plan.sweep.trials if plan.sweep else None,
            "data_mb": round(plan.data_mb, 1),
            "settings": plan.settings.model_copy(update={"data": of.data, "replay": of.replay}).model_dump(mode="json"),
        }
    )


def confirmed(question: str) -> bool:
    """Whether a person at a terminal says yes."""
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
