"""A model as the objects of a managed online endpoint: the endpoint, its deployments, the code and environment of one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_centermask.cloud.entities import NAME, environment_of
from napari_centermask.cloud.pins import pinned
from napari_centermask.cloud.staging import LEFT_OUT, PACKAGE, plain_name
from napari_centermask.core.errors import BadModel
from napari_centermask.io.files import link_file
from napari_centermask.models.store.zoo import ModelFiles

if TYPE_CHECKING:
    from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint

BLUE, GREEN = COLOURS = ("blue", "green")
"""The two deployments of an endpoint, which take turns."""
SIZE = "Standard_DS3_v2"
"""Of the machines that serve: 4 cores and 14 GB, the smallest that Azure recommends for endpoints."""
SCRIPT = "score.py"
REQUEST_MS = 90_000  # longest time of a request: a choice, a large image on few cores
SERVER = "azureml-inference-server-http>=1.0"
"""Calls `init` and `run`; Azure asks for it in environments of one's own."""


@dataclass(frozen=True)
class Served:
    """The folders of a deployment."""

    code: Path
    model: Path


def stage_model(files: ModelFiles, folder: Path) -> Served:
    """Make the folders of a deployment: our code with the script, and the graphs of the model.

    Raises
    ------
    BadModel
        If the model has no graphs.
    CannotSave
        If the disk is full.
    """
    if files.graphs is None:
        raise BadModel(f"{files.name} has no ONNX graphs. Make them first: napari-centermask export {files.name}")
    code, model = Path(folder) / "code", Path(folder) / "model"
    shutil.copytree(PACKAGE, code / PACKAGE.name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (code / SCRIPT).write_text(
        "from napari_centermask.cloud.scoring import init, run  # noqa: F401\n", encoding="utf-8"
    )
    for path in files.graphs:
        link_file(path, model / path.name)
    return Served(code, model)


def endpoint_of(name: str) -> ManagedOnlineEndpoint:
    """The endpoint, which has an address and keys, and costs nothing by itself."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    return ManagedOnlineEndpoint(
        name=name, auth_mode="key", description="Segmentation with napari-centermask", tags={"made_by": NAME}
    )


def deployment_of(
    served: Served,
    *,
    endpoint: str,
    colour: str,
    model: str,
    size: str,
    instances: int,
    python: str,
    folder: Path,
    requirements: Sequence[str] = (),
) -> ManagedOnlineDeployment:
    """A deployment of a model.

    Parameters
    ----------
    model
        "azureml:NAME:VERSION" of a registered one; "" for the graphs here.
    folder
        For the file that describes the environment.
    requirements
        Lines for pip; those of what is installed here when empty.
    """
    from azure.ai.ml.entities import (
        CodeConfiguration,
        ManagedOnlineDeployment,
        Model,
        OnlineRequestSettings,
    )

    requirements = requirements or [*pinned(["onnx"]), SERVER]
    local = Model(name=plain_name(endpoint), path=str(served.model), type="custom_model")
    return ManagedOnlineDeployment(
        name=colour,
        endpoint_name=endpoint,
        model=model or local,
        environment=environment_of(requirements, python, folder, name=f"{NAME}-endpoint"),
        code_configuration=CodeConfiguration(code=str(served.code), scoring_script=SCRIPT),
        instance_type=size,
        instance_count=instances,
        request_settings=OnlineRequestSettings(request_timeout_ms=REQUEST_MS, max_concurrent_requests_per_instance=1),
        tags={"made_by": NAME},
    )
