"""`endpoint deploy | status | logs | rollback | finish | delete | release`: a model behind an address of Azure."""

from __future__ import annotations

import json as json_module
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from cyclopts import App

from napari_centermask.cli.demo import sample_image
from napari_centermask.cli.output import busy, notice, print_json
from napari_centermask.cli.segment import Flag
from napari_centermask.cli.submit import confirmed
from napari_centermask.cloud.client import AzureJobs
from napari_centermask.cloud.endpoint_entities import SIZE
from napari_centermask.cloud.endpoints import Deployment, Endpoints, roll_back
from napari_centermask.cloud.endpoints import deploy as deploy_model
from napari_centermask.cloud.endpoints import finish as finish_endpoint
from napari_centermask.cloud.pipeline import first_image
from napari_centermask.cloud.workspace import read_workspace, workspace_of_job
from napari_centermask.core.errors import UserError
from napari_centermask.io.files import link_file
from napari_centermask.models.store.zoo import ModelFiles, find_model
from napari_centermask.settings import SegmentSettings

app = App(
    name="endpoint",
    help="Models that serve from Azure.\n\nFor example:\n\n  napari-centermask endpoint deploy nuclei --name cells",
    help_format="plaintext",
)
_CONFIG = Path("config.json")


def _open(workspace: Path) -> Endpoints:
    return Endpoints(AzureJobs(read_workspace(workspace)))


@app.command
def deploy(
    model: str,
    /,
    *,
    name: str,
    workspace: Path = _CONFIG,
    size: str = SIZE,
    instances: int = 1,
    image: Path | None = None,
    yes: Flag = False,
    dry_run: Flag = False,
) -> int:
    """Deploy the ONNX graphs of a model beside those that serve; they get the requests once they have segmented an image well.

    If anything fails, the requests go on to the old deployment. It stays there for `rollback` until you call `finish`.

    For example:

      napari-centermask endpoint deploy mine --name cells

    Parameters
    ----------
    model
        Name of an installed model, or a model file.
    name
        Of the endpoint; made if the workspace has none of this name.
    workspace
        The file config.json of the workspace, from its page in the portal.
    size
        Of the machines.
    instances
        Number of machines.
    image
        Image to try the deployment with; it must find as many cells as are found here. A sample when not given.
    yes
        Deploy without asking.
    dry_run
        Only show what would be deployed.
    """
    plan = Deployment(name, find_model(model), image or sample_image(), size, instances)
    where = read_workspace(workspace)
    for line in [f"workspace  {where.workspace_name} in {where.resource_group}", *plan.lines]:
        notice(line)
    if dry_run:
        return 0
    if not yes and not confirmed("Deploy this?"):
        raise UserError("Nothing was deployed. Confirm with y, or add --yes.")
    deploy_model(plan, Endpoints(AzureJobs(where)), notice, expected=count_cells(plan))
    print(
        f"Go back with: napari-centermask endpoint rollback {name}. Delete the old deployment with: endpoint finish {name}"
    )
    return 0


def count_cells(plan: Deployment) -> int:
    """How many cells the graphs of a model find in the image here, as the deployment is asked to."""
    from napari_centermask.engines.load import load_engines
    from napari_centermask.pipeline.image_file import segment_file
    from napari_centermask.pipeline.progress import run_through

    assert plan.files.graphs is not None
    with busy(f"Segmenting {plan.image.name} here"):
        settings = SegmentSettings(model=str(plan.files.graphs[0]), engine="onnx")
        done = run_through(segment_file(plan.image, load_engines(settings, say=notice), SegmentSettings()))
    return sum(len(plane.cells) for plane in done.planes)


@app.command
def release(
    folder: Path,
    /,
    *,
    register: str,
    data: Path,
    endpoint: str | None = None,
    size: str = SIZE,
    instances: int = 1,
    requirements: Path | None = None,
    workspace: Path = _CONFIG,
) -> int:
    """Register the model of a run if the comparison recommends it, and deploy it: the last step of `submit --register`.

    Parameters
    ----------
    folder
        The run folder.
    register
        Name among the models of the workspace.
    data
        Folder with images/, of which the first one is used to try the deployment.
    endpoint
        Where it is deployed; nowhere when not given.
    size
        Of the machines.
    instances
        Number of machines.
    requirements
        Lines for pip of the deployment; the versions installed here when not given.
    workspace
        The file config.json; in a job on Azure, its own workspace is used.
    """
    comparison = folder / "comparison.json"
    if not comparison.exists():
        raise UserError(
            f"{folder} has no comparison.json, by which the gate judges. Train with `compare` and a start model."
        )
    verdict = json_module.loads(comparison.read_text(encoding="utf-8"))["verdict"]
    if not verdict["recommended"]:
        print(f"Nothing was registered or deployed. {verdict['sentence']}")
        return 0
    jobs = AzureJobs(workspace_of_job(os.environ) or read_workspace(workspace))
    with TemporaryDirectory(prefix="centermask-") as temporary:
        files = _with_graphs(folder / "best.safetensors", Path(temporary) / register)
        steps = {"steps": str(files.card.training["steps"])} if "steps" in files.card.training else {}
        version = jobs.register_path(str(Path(temporary) / register), register, steps)
        print(f"Registered {register}:{version}. {verdict['sentence']}")
        if endpoint:
            lines = () if requirements is None else tuple(requirements.read_text(encoding="utf-8").split("\n"))
            registered = f"azureml:{register}:{version}"
            plan = Deployment(endpoint, files, first_image(data), size, instances, registered, lines)
            deploy_model(plan, Endpoints(jobs), notice, expected=count_cells(plan))
    return 0


def _with_graphs(weights: Path, folder: Path) -> ModelFiles:
    """A copy of a model with its graphs, in a folder of its own."""
    from napari_centermask.cli.export import export_files

    link_file(weights, folder / f"{folder.name}.safetensors")
    model = find_model(folder)
    if model.graphs is None:
        export_files(model, folder)
    return find_model(folder)


@app.command
def status(name: str, /, *, workspace: Path = _CONFIG, json: Flag = False) -> int:
    """Show the deployments of an endpoint, and who gets the requests.

    Parameters
    ----------
    name
        Of the endpoint.
    workspace
        The file config.json of the workspace.
    json
        Print one object.
    """
    endpoints = _open(workspace)
    traffic = endpoints.traffic(name)
    if traffic is None:
        raise UserError(f"There is no endpoint {name} in the workspace. Check the name.")
    rows = {
        colour: {"state": state, "percent": traffic.get(colour, 0)}
        for colour, state in endpoints.deployments(name).items()
    }
    if json:
        print_json(rows)
        return 0
    for colour, row in rows.items():
        print(f"{colour:<8}{row['state']:<14}{row['percent']:>4} % of the requests")
    return 0


@app.command
def logs(name: str, colour: str, /, *, workspace: Path = _CONFIG) -> int:
    """Print the newest lines of a deployment's log.

    Parameters
    ----------
    name
        Of the endpoint.
    colour
        The deployment: blue or green.
    workspace
        The file config.json of the workspace.
    """
    print(_open(workspace).logs(name, colour))
    return 0


@app.command
def rollback(name: str, /, *, workspace: Path = _CONFIG) -> int:
    """Give all requests to the deployment that served before.

    Parameters
    ----------
    name
        Of the endpoint.
    workspace
        The file config.json of the workspace.
    """
    print(f"{roll_back(name, _open(workspace))} serves again.")
    return 0


@app.command
def finish(name: str, /, *, workspace: Path = _CONFIG) -> int:
    """Delete the deployment that gets no requests; there is no way back afterwards.

    Parameters
    ----------
    name
        Of the endpoint.
    workspace
        The file config.json of the workspace.
    """
    gone = finish_endpoint(name, _open(workspace))
    print(f"Deleted {', '.join(gone)}." if gone else "There is nothing to delete: every deployment gets requests.")
    return 0


@app.command
def delete(name: str, /, *, workspace: Path = _CONFIG, yes: Flag = False) -> int:
    """Delete an endpoint with all its deployments.

    Parameters
    ----------
    name
        Of the endpoint.
    workspace
        The file config.json of the workspace.
    yes
        Delete without asking.
    """
    if not yes and not confirmed(f"Delete {name} with all its deployments?"):
        raise UserError("Nothing was deleted. Confirm with y, or add --yes.")
    _open(workspace).delete(name)
    print(f"Deleted {name}.")
    return 0
