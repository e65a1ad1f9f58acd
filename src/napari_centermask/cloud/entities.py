"""A staged run as the objects of Azure's SDK v2: environment, data, compute and job. Nothing here reaches the service."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_centermask.cloud.sizes import Estimate
from napari_centermask.cloud.staging import Staged, content_hash, plain_name
from napari_centermask.io.whole_file import whole_file

if TYPE_CHECKING:
    from azure.ai.ml.entities import AmlCompute, Command, Data, Environment

NAME = "napari-centermask"
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
"""Base of the environment, one of Azure's; PyTorch's wheels bring CUDA along."""
IDLE_S = 300
"""After which an idle machine is given back, in seconds: a choice; a second job soon after does not wait for its start."""
HASH_LENGTH = 16  # hex digits of a content hash that become a version: 64 bits, enough for the data sets of a workspace


def environment_of(requirements: Sequence[str], python: str, folder: Path, *, name: str = NAME) -> Environment:
    """The environment, versioned by its content, so that the same one is built once.

    Parameters
    ----------
    requirements
        Lines for pip, see `pins.pinned`.
    python
        Such as "3.11".
    folder
        For the file that describes it.
    """
    from azure.ai.ml.entities import Environment

    conda = {
        "name": name,
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": list(requirements)}],
    }
    text = json.dumps(conda, indent=1)  # JSON is YAML
    path = Path(folder) / "environment.yml"
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
    version = hashlib.sha256(f"{IMAGE}\n{text}".encode()).hexdigest()[:HASH_LENGTH]
    return Environment(name=name, version=version, image=IMAGE, conda_file=str(path))


def data_assets(staged: Staged, names: Mapping[str, str]) -> dict[str, Data]:
    """The data of a run as assets, versioned by their content, so that the same data are uploaded once.

    Parameters
    ----------
    names
        Of the folders, by the input's name, for a person who looks at the list of assets.
    """
    from azure.ai.ml.entities import Data

    return {
        key: Data(
            name=f"centermask-{plain_name(names.get(key, key))}",
            version=content_hash(folder)[:HASH_LENGTH],
            path=str(folder),
            type="uri_folder",
            description="Images and annotations for napari-centermask",
        )
        for key, folder in staged.inputs.items()
    }


def compute_of(name: str, size: str, nodes: int) -> AmlCompute:
    """A cluster that has no machines while it has no work."""
    from azure.ai.ml.entities import AmlCompute

    return AmlCompute(name=name, size=size, min_instances=0, max_instances=nodes, idle_time_before_scale_down=IDLE_S)


def job_of(
    staged: Staged,
    assets: Mapping[str, Data],
    environment: Environment,
    *,
    name: str,
    compute: str,
    processes: int,
    limit: Estimate,
    experiment: str = NAME,
) -> Command:
    """The job.

    Parameters
    ----------
    processes
        On each machine, one for each GPU.
    limit
        Number of machines, and hours after which the service ends the job.
    """
    from azure.ai.ml import Input, PyTorchDistribution, command

    several = limit.nodes * processes > 1
    return command(
        name=name,
        display_name=name,
        experiment_name=experiment,
        description="Training with napari-centermask",
        code=str(staged.code),
        command=staged.command,
        environment=environment,
        inputs={
            key: Input(type="uri_folder", path=f"azureml:{asset.name}:{asset.version}", mode="download")
            for key, asset in assets.items()
        },
        compute=compute,
        instance_count=limit.nodes,
        distribution=PyTorchDistribution(process_count_per_instance=processes) if several else None,
        timeout=round(limit.hours * 3600),
        environment_variables={"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
        tags={"made_by": NAME},
    )
