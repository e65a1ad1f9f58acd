"""A run as a pipeline of Azure: train, evaluate, and release what the gate recommends: register it, and deploy it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_centermask.cloud.endpoint_entities import SIZE
from napari_centermask.cloud.entities import NAME
from napari_centermask.cloud.sizes import Estimate
from napari_centermask.cloud.staging import Staged, plain_name
from napari_centermask.core.errors import BadSettings
from napari_centermask.io.whole_file import whole_file
from napari_centermask.settings import TrainSettings

if TYPE_CHECKING:
    from azure.ai.ml.entities import Data, Environment, PipelineJob

STEP_H = 1.0
"""After which the service ends the evaluation, and the release, in hours: a choice, with the start of a machine."""
REQUIREMENTS = "endpoint.txt"
"""Beside the run file: the packages of the endpoint, as our package is not installed where the pipeline runs."""


@dataclass(frozen=True)
class Release:
    """What becomes of a model that the gate recommends.

    Attributes
    ----------
    register
        Its name among the workspace's models.
    endpoint
        Where it is deployed; "" for nowhere.
    """

    register: str
    endpoint: str = ""
    size: str = SIZE
    instances: int = 1

    @property
    def lines(self) -> list[str]:
        """In words."""
        cost = f"{24 * self.instances} node-hours a day ({self.instances} x {self.size}) until you delete it"
        deployed = f"; then deployed to {self.endpoint}: {cost}" if self.endpoint else ""
        return [f"release    registered as {self.register} if the gate recommends it{deployed}"]


def with_gate(settings: TrainSettings) -> TrainSettings:
    """The settings with the comparison that the gate judges by.

    Raises
    ------
    BadSettings
        If there is no start model to compare with.
    """
    if settings.start is None:
        raise BadSettings(
            "The gate compares the new model with its start model, and the run has none. Give one with 'start'."
        )
    return settings.model_copy(update={"compare": True})


def write_requirements(staged: Staged, lines: list[str]) -> None:
    """Put the packages of the endpoint beside the run file."""
    with whole_file(staged.code / REQUIREMENTS) as part:
        part.write_text("\n".join(lines), encoding="utf-8")


def pipeline_of(
    staged: Staged,
    assets: Mapping[str, Data],
    environment: Environment,
    *,
    name: str,
    compute: str,
    processes: int,
    limit: Estimate,
    release: Release,
) -> PipelineJob:
    """The pipeline; its last step acts in the name of who submits it.

    Parameters
    ----------
    environment
        With the packages of training, ONNX and Azure.
    processes, limit
        Of the training; the other steps take one machine.
    """
    from azure.ai.ml import Input, Output, PyTorchDistribution, command, dsl
    from azure.ai.ml.entities import UserIdentityConfiguration

    python = "python -m napari_centermask"
    run = Output(type="uri_folder", mode="upload")
    inputs = {key: Input(type="uri_folder", mode="download") for key in assets}
    shared: dict[str, Any] = {
        "code": str(staged.code),
        "environment": environment,
        "environment_variables": {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
    }
    several = limit.nodes * processes > 1
    train = command(
        name="train",
        command=staged.command.rsplit(" --out ", 1)[0] + " --out ${{outputs.run}}",
        inputs=inputs,
        outputs={"run": run},
        instance_count=limit.nodes,
        distribution=PyTorchDistribution(process_count_per_instance=processes) if several else None,
        timeout=round(limit.hours * 3600),
        **shared,
    )
    data, model = {"data_0": inputs["data_0"]}, {"run": Input(type="uri_folder", mode="download")}
    evaluate = command(
        name="evaluate",
        command=f"{python} evaluate --model ${{{{inputs.run}}}}/best.safetensors --engine torch --data ${{{{inputs.data_0}}}} "
        "--split val --json ${{outputs.report}}/report.json",
        inputs=data | model,
        outputs={"report": Output(type="uri_folder", mode="upload")},
        timeout=round(STEP_H * 3600),
        **shared,
    )
    publish = command(
        name="release",
        command=f"{python} endpoint release ${{{{inputs.run}}}} {flags_of(release)}",
        inputs=data | model | {"report": Input(type="uri_folder", mode="download")},
        identity=UserIdentityConfiguration(),
        timeout=round(STEP_H * 3600),
        **shared,
    )

    given = {
        key: Input(type="uri_folder", path=f"azureml:{asset.name}:{asset.version}", mode="download")
        for key, asset in assets.items()
    }

    words = {"display_name": name, "description": "Train, evaluate, release"}

    @dsl.pipeline(name=plain_name(name), default_compute=compute, **words)  # type: ignore[untyped-decorator]
    def steps() -> dict[str, Any]:
        trained = train(**given)
        judged = evaluate(data_0=given["data_0"], run=trained.outputs.run)
        publish(data_0=given["data_0"], run=trained.outputs.run, report=judged.outputs.report)
        return {"run": trained.outputs.run, "report": judged.outputs.report}

    job = steps()
    job.name, job.experiment_name, job.tags = name, NAME, {"made_by": NAME}
    return job


def flags_of(release: Release) -> str:
    """The flags of `endpoint release`."""
    flags = f"--register {release.register} --data ${{{{inputs.data_0}}}} --requirements {REQUIREMENTS}"
    if release.endpoint:
        flags += f" --endpoint {release.endpoint} --size {release.size} --instances {release.instances}"
    return flags


def first_image(data: Path) -> Path:
    """An image to try a deployment with.

    Raises
    ------
    BadSettings
        If the folder has none.
    """
    images = sorted(path for path in (data / "images").rglob("*") if path.is_file())
    if not images:
        raise BadSettings(f"{data} has no images to try the deployment with. Give a folder with images/.")
    return images[0]
