"""Managed online endpoints: deploy a model beside the one that serves, try it, and shift the requests; or go back."""

from __future__ import annotations

import base64
import json
import platform
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_centermask.cloud.client import AzureJobs
from napari_centermask.cloud.endpoint_entities import (
    BLUE,
    COLOURS,
    GREEN,
    SIZE,
    deployment_of,
    endpoint_of,
    stage_model,
)
from napari_centermask.cloud.errors import CloudError, explained
from napari_centermask.core.errors import BadSettings
from napari_centermask.io.whole_file import whole_file
from napari_centermask.models.store.zoo import ModelFiles

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import ManagedOnlineEndpoint

FIRST_PART = 10
"""Percent of the requests that a new deployment gets first, before it gets all: a choice."""
SHORTEST, LONGEST = 3, 32
"""Letters of the name of an endpoint, Azure's limits."""


@dataclass(frozen=True)
class Deployment:
    """What would be deployed.

    Attributes
    ----------
    files
        The model; its graphs are deployed unless `registered` names one of the workspace.
    registered
        "azureml:NAME:VERSION", or "".
    requirements
        Lines for pip; those of what is installed here when empty.
    image
        Is segmented by the new deployment before it gets requests.
    """

    endpoint: str
    files: ModelFiles
    image: Path
    size: str = SIZE
    instances: int = 1
    registered: str = ""
    requirements: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        plain = self.endpoint.replace("-", "").isalnum() and self.endpoint.isascii() and self.endpoint[0].isalpha()
        if not plain or not SHORTEST <= len(self.endpoint) <= LONGEST or self.endpoint.endswith("-"):
            raise BadSettings(
                f"An endpoint has a name of {SHORTEST} to {LONGEST} letters, digits and -, beginning with a letter; "
                f"'{self.endpoint}' is not one."
            )
        if self.instances < 1:
            raise BadSettings(f"A deployment needs at least 1 machine, got {self.instances}.")

    @property
    def lines(self) -> list[str]:
        """What it takes, in words."""
        hours = 24 * self.instances
        return [
            f"endpoint   {self.endpoint}",
            f"model      {self.registered or self.files.name}",
            f"machines   {self.instances} x {self.size}",
            f"cost       {hours} node-hours a day until you delete it; while two deployments are there, those of both",
        ]


class Endpoints:
    """The endpoints of a workspace; every method raises `CloudError`, with a remedy."""

    def __init__(self, jobs: AzureJobs) -> None:
        self._ml: MLClient = jobs.ml

    def traffic(self, name: str) -> dict[str, int] | None:
        """Percent of the requests by the name of the deployment; None if there is no such endpoint."""
        endpoint = self._find(name)
        return None if endpoint is None else {key: int(part) for key, part in (endpoint.traffic or {}).items() if part}

    def _find(self, name: str) -> ManagedOnlineEndpoint | None:
        from azure.core.exceptions import ResourceNotFoundError

        with explained(f"looking for the endpoint {name}"):
            try:
                return self._ml.online_endpoints.get(name)
            except ResourceNotFoundError:
                return None

    def deployments(self, name: str) -> dict[str, str]:
        """State of each deployment of an endpoint."""
        with explained(f"listing the deployments of {name}"):
            found = {str(one.name): one.provisioning_state for one in self._ml.online_deployments.list(name)}
        return {colour: str(getattr(state, "value", state) or "") for colour, state in found.items()}

    def create(self, name: str) -> None:
        """Make an endpoint."""
        with explained(f"making the endpoint {name}"):
            self._ml.online_endpoints.begin_create_or_update(endpoint_of(name)).result()

    def shift(self, name: str, traffic: dict[str, int]) -> None:
        """Divide the requests among the deployments, in percent."""
        endpoint = self._find(name)
        if endpoint is None:
            raise CloudError(f"There is no endpoint {name} in the workspace. Check the name.")
        endpoint.traffic = dict(traffic)
        with explained(f"shifting the requests of {name}"):
            self._ml.online_endpoints.begin_create_or_update(endpoint).result()

    def remove(self, name: str, colour: str) -> None:
        """Delete a deployment."""
        with explained(f"deleting the deployment {colour} of {name}"):
            self._ml.online_deployments.begin_delete(name=colour, endpoint_name=name).result()

    def delete(self, name: str) -> None:
        """Delete an endpoint with its deployments."""
        with explained(f"deleting the endpoint {name}"):
            self._ml.online_endpoints.begin_delete(name=name).result()

    def logs(self, name: str, colour: str) -> str:
        """The newest lines that a deployment has printed."""
        with explained(f"reading the log of {colour} of {name}"):
            return str(self._ml.online_deployments.get_logs(name=colour, endpoint_name=name, lines=100))

    def deploy(self, plan: Deployment, colour: str) -> None:
        """Make a deployment, without requests; takes minutes."""
        work = Path(tempfile.mkdtemp(prefix="centermask-"))
        try:
            served = stage_model(plan.files, work)
            with explained(f"deploying {plan.files.name} as {colour} of {plan.endpoint}"):
                deployment = deployment_of(
                    served,
                    endpoint=plan.endpoint,
                    colour=colour,
                    model=plan.registered,
                    requirements=plan.requirements,
                    size=plan.size,
                    instances=plan.instances,
                    python=".".join(platform.python_version_tuple()[:2]),
                    folder=work,
                )
                self._ml.online_deployments.begin_create_or_update(deployment, skip_script_validation=True).result()
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def segment(self, name: str, colour: str, image: Path) -> dict[str, Any]:
        """Let a deployment segment an image; COCO.

        Raises
        ------
        CloudError
            If it refuses, or its answer is not COCO.
        """
        request = {"image": base64.b64encode(image.read_bytes()).decode("ascii"), "name": image.name}
        with tempfile.TemporaryDirectory(prefix="centermask-") as folder:
            path = Path(folder) / "request.json"
            with whole_file(path) as part:
                part.write_text(json.dumps(request), encoding="utf-8")
            with explained(f"trying the deployment {colour} of {name}"):
                text = self._ml.online_endpoints.invoke(name, request_file=str(path), deployment_name=colour)
        with suppress(ValueError):
            answer = json.loads(text)
            answer = json.loads(answer) if isinstance(answer, str) else answer
            if isinstance(answer, dict) and "annotations" in answer:
                return answer
        raise CloudError(f"The deployment {colour} of {name} answers without cells: {text[:200]}")


def deploy(plan: Deployment, endpoints: Endpoints, say: Callable[[str], None], *, expected: int | None = None) -> str:
    """Deploy a model beside the one that serves, and give it all requests once it has segmented an image; its colour.

    If anything fails, the requests go on to the old deployment, and the new one is deleted. The old one stays, without requests,
    for `roll_back`.

    Parameters
    ----------
    expected
        Number of cells that the model finds in the image here; not compared if None.

    Raises
    ------
    CloudError
        Why it failed, and what is left there.
    """
    before = endpoints.traffic(plan.endpoint)
    if before is None:
        say(f"Making the endpoint {plan.endpoint}...")
        endpoints.create(plan.endpoint)
    serving = before or {}
    colour = GREEN if serving.get(BLUE, 0) >= max(serving.get(GREEN, 0), 1) else BLUE
    try:
        say(f"Deploying {plan.files.name} as {colour}; this takes minutes...")
        endpoints.deploy(plan, colour)
        _try(plan, endpoints, colour, expected, say)
        old = next((other for other in COLOURS if other != colour and other in serving), None)
        if old is not None:
            say(f"Giving {colour} {FIRST_PART} % of the requests...")
            endpoints.shift(plan.endpoint, {old: 100 - FIRST_PART, colour: FIRST_PART})
            _try(plan, endpoints, colour, expected, say)
        endpoints.shift(plan.endpoint, {colour: 100})
    except BaseException as error:
        _undo(plan.endpoint, endpoints, serving, colour, say)
        if isinstance(error, CloudError):
            where = "the requests go to the deployment before" if serving else "nothing serves there"
            raise CloudError(f"{error} The new deployment was withdrawn; {where}.") from error
        raise
    say(f"{colour} serves now.")
    return colour


def _try(plan: Deployment, endpoints: Endpoints, colour: str, expected: int | None, say: Callable[[str], None]) -> None:
    found = len(endpoints.segment(plan.endpoint, colour, plan.image)["annotations"])
    say(f"{colour} finds {found} cells in {plan.image.name}.")
    if expected is not None and found != expected:
        raise CloudError(f"{colour} finds {found} cells in {plan.image.name}, but {expected} are found here.")


def _undo(name: str, endpoints: Endpoints, serving: dict[str, int], colour: str, say: Callable[[str], None]) -> None:
    """Give the requests back to who served, and delete the new deployment; as far as the service lets us."""
    try:
        if serving:
            endpoints.shift(name, serving)
        endpoints.remove(name, colour)
    except CloudError as error:
        say(f"The new deployment {colour} could not be withdrawn: {error} See `endpoint status {name}`, as it costs.")


def roll_back(name: str, endpoints: Endpoints) -> str:
    """Give all requests to the deployment that served before; its colour.

    Raises
    ------
    CloudError
        If there is no endpoint, or no other deployment.
    """
    traffic = endpoints.traffic(name)
    if traffic is None:
        raise CloudError(f"There is no endpoint {name} in the workspace. Check the name.")
    now = max(traffic, key=lambda colour: traffic[colour], default="")
    others = [colour for colour, state in endpoints.deployments(name).items() if colour != now and state == "Succeeded"]
    if not others:
        raise CloudError(f"The endpoint {name} has no other deployment to go back to. Deploy the model before again.")
    endpoints.shift(name, {others[0]: 100})
    return others[0]


def finish(name: str, endpoints: Endpoints) -> list[str]:
    """Delete the deployments without requests, which cost nonetheless; their names."""
    traffic = endpoints.traffic(name) or {}
    idle = [colour for colour in endpoints.deployments(name) if not traffic.get(colour)]
    if len(idle) == len(endpoints.deployments(name)) and idle:
        raise CloudError(f"No deployment of {name} gets requests. Delete the endpoint, or deploy a model first.")
    for colour in idle:
        endpoints.remove(name, colour)
    return idle
