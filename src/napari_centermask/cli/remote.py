"""`remote status | run | follow | logs | cancel | download | register`: jobs that were submitted, by their run folders here."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from napari_centermask.cli.models import install as install_model
from napari_centermask.cli.output import notice, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.cli.train import failure, show_event
from napari_centermask.cloud.attend import attend, plan_for
from napari_centermask.cloud.client import MODEL, AzureJobs
from napari_centermask.cloud.client import follow as follow_job
from napari_centermask.cloud.record import JobRecord, read_record
from napari_centermask.core.errors import BadSettings, UserError
from napari_centermask.events import write
from napari_centermask.jobs.place import read_place
from napari_centermask.jobs.sweep.plan import read_run
from napari_centermask.models.store.zoo import check_new_name, read_weights

app = App(
    name="remote",
    help="Jobs that were submitted.\n\nFor example:\n\n  napari-centermask remote follow runs/mine",
    help_format="plaintext",
)


def _open(folder: Path) -> tuple[AzureJobs, JobRecord]:
    record = read_record(folder)
    return AzureJobs(record.workspace), record


def _shown(values: dict[str, object], *, json: bool) -> int:
    print_json(values) if json else print("\n".join(f"{key:<12}{value}" for key, value in values.items()))
    return 0


@app.command
def status(folder: Path, /, *, json: Flag = False) -> int:
    """Show the state of a job, and how busy its machine is.

    For example:

      napari-centermask remote status runs/mine

    Parameters
    ----------
    folder
        The run folder.
    json
        Print one object.
    """
    jobs, record = _open(folder)
    state, why = jobs.status(record.job), jobs.details(record.job)[0]
    best = jobs.best_trial(record.job) if record.trials else ""
    values = {"job": record.job, "status": state, **({"error": why} if why else {}), **jobs.use(best or record.job)}
    values |= {"best trial": best} if best else {}
    return _shown(values, json=json)


@app.command
def follow(folder: Path, /, *, every: float = 10.0, json: Flag = False) -> int:
    """Show what a job reports, until it has ended; it goes on if you stop following it.

    For example:

      napari-centermask remote follow runs/mine --json

    Parameters
    ----------
    folder
        The run folder; the events are also written into its events.jsonl.
    every
        Seconds between two looks.
    json
        Print one JSON object per event, as `train` does.
    """
    jobs, record = _open(folder)
    with (folder / "events.jsonl").open("w", encoding="utf-8") as stream:
        for event in follow_job(jobs, record, every_s=every):
            write(event, stream)
            write(event) if json else show_event(event)
    if not json:
        print(f"Fetch the model with: napari-centermask remote download {folder} --install NAME")
    return 0


@app.command
def run(folder: Path, /, *, every: float = 10.0, json: Flag = False) -> int:
    """Submit the run of a folder to the place in its place.json, and attend it until its model is here.

    This is what napari calls once you have confirmed what it takes. A file `stop` in the folder cancels the job.

    Parameters
    ----------
    folder
        The run folder, with run.json and place.json.
    every
        Seconds between two looks.
    json
        Print one JSON object per event, as `train` does.
    """
    shown = write if json else show_event
    try:
        plan = plan_for(read_run(folder / "run.json"), read_place(folder))
        for event in attend(plan, AzureJobs(plan.workspace), every_s=every):
            shown(event)
    except UserError as error:
        if json:
            write(failure(error))
        raise
    return 0


@app.command
def logs(folder: Path, /) -> int:
    """Print the log of a job.

    For example:

      napari-centermask remote logs runs/mine

    Parameters
    ----------
    folder
        The run folder.
    """
    jobs, record = _open(folder)
    texts = jobs.logs(record.job)
    for name, text in texts.items():
        print(f"--- {name}\n{text}")
    if not texts:
        notice("There is no log yet. It begins when the job runs.")
    return 0


@app.command
def cancel(folder: Path, /) -> int:
    """Cancel a job; what it has written so far can be downloaded.

    For example:

      napari-centermask remote cancel runs/mine

    Parameters
    ----------
    folder
        The run folder.
    """
    jobs, record = _open(folder)
    jobs.cancel(record.job)
    print(f"Azure is ending {record.job}.")
    return 0


@app.command
def download(
    folder: Path, /, *, install: str | None = None, register: str | None = None, graphs: bool = True, json: Flag = False
) -> int:
    """Download the model and the curves of a job that has ended into its run folder.

    For example:

      napari-centermask remote download runs/mine --install mine --register mine

    Parameters
    ----------
    folder
        The run folder.
    install
        Install the model under this name.
    register
        Register it in the workspace under this name, as its next version.
    graphs
        Make the ONNX graphs that napari needs when it is installed; needs PyTorch.
    json
        Print one object.
    """
    if install:
        check_new_name(install)
    jobs, record = _open(folder)
    model = jobs.download(record, folder)
    values: dict[str, object] = {"model": model}
    if install:
        values["installed"] = install_model(model, install, graphs=graphs).name
    if register:
        values["registered"] = _registered(jobs, record, model, register)
    return _shown(values, json=json)


@app.command
def register(folder: Path, name: str, /) -> int:
    """Register the model of a job in its workspace, as the next version of a name.

    For example:

      napari-centermask remote register runs/mine mine

    Parameters
    ----------
    folder
        The run folder, with the model that was downloaded.
    name
        Among the models of the workspace.
    """
    jobs, record = _open(folder)
    model = folder / MODEL
    if not model.is_file():
        raise BadSettings(f"{folder} has no model yet. Download it first: napari-centermask remote download {folder}")
    print(f"Registered as {_registered(jobs, record, model, name)}.")
    return 0


def _registered(jobs: AzureJobs, record: JobRecord, model: Path, name: str) -> str:
    """Register a model that was downloaded, with what it was made of; its name and version."""
    training = read_weights(model).card.training
    known = {key: str(training[key]) for key in ("steps", "parent_sha256", "seed", "torch") if key in training}
    data = {f"data_{asset}": version for asset, version in record.data.items()}
    return f"{name}:{jobs.register(record, name, known | data)}"
