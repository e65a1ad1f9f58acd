"""Which workspace of Azure Machine Learning: the file config.json that its portal offers, or its three names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_centermask.cloud.errors import CloudError


class Workspace(BaseModel):
    """The names of a workspace; further fields of config.json are kept but not used."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    subscription_id: str = Field(min_length=1)
    resource_group: str = Field(min_length=1)
    workspace_name: str = Field(min_length=1)

    @property
    def scope(self) -> str:
        """Its place among Azure's resources."""
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace_name}"


def read_workspace(path: Path) -> Workspace:
    """Read config.json.

    Raises
    ------
    CloudError
        If the file is missing or lacks a name.
    """
    remedy = "Download config.json in the portal: the name of the workspace at the top right, 'Download config file'."
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        return Workspace.model_validate(values)
    except FileNotFoundError:
        raise CloudError(f"There is no workspace file {path}. {remedy}") from None
    except ValidationError as error:
        names = ", ".join(str(fault["loc"][-1]) for fault in error.errors() if fault["loc"]) or "everything"
        raise CloudError(f"{path} does not name a workspace; missing or empty: {names}. {remedy}") from None
    except (OSError, ValueError) as error:
        raise CloudError(f"{path} cannot be read as JSON ({error}). {remedy}") from None


def workspace_of_job(variables: Mapping[str, str]) -> Workspace | None:
    """The workspace in which this process is a job, from the variables that Azure Machine Learning sets; None elsewhere."""
    names = ("AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_ARM_WORKSPACE_NAME")
    if not all(variables.get(name) for name in names):
        return None
    subscription, group, name = (variables[key] for key in names)
    return Workspace(subscription_id=subscription, resource_group=group, workspace_name=name)
