"""What is known here of a submitted job: `azure.json` in its run folder, from which any program can follow it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_centermask.cloud.errors import CloudError
from napari_centermask.cloud.workspace import Workspace
from napari_centermask.io.whole_file import whole_file

RECORD = "azure.json"


class JobRecord(BaseModel):
    """A job, where it runs and on what.

    Attributes
    ----------
    job
        Its name in the workspace, chosen here: a submission whose answer was lost is found by it.
    out
        The run folder's name among the outputs of the job.
    data
        Name and version of each data asset.
    submitted
        Time, ISO 8601 in UTC.
    trials
        Of a sweep; 0 for a single run.
    is_pipeline
        Whether the run is the first step of a pipeline.
    """

    model_config = ConfigDict(extra="ignore")

    workspace: Workspace
    job: str
    out: str
    compute: str
    nodes: int = 1
    processes: int = 1
    environment: str = ""
    data: dict[str, str] = {}
    submitted: str = ""
    version: str = ""
    trials: int = 0
    is_pipeline: bool = False


def write_record(folder: Path, record: JobRecord) -> None:
    """Write the record into a run folder.

    Raises
    ------
    CannotSave
        If the folder cannot be written.
    """
    with whole_file(Path(folder) / RECORD) as part:
        part.write_text(record.model_dump_json(indent=1), encoding="utf-8")


def read_record(folder: Path) -> JobRecord:
    """The record of a run folder.

    Raises
    ------
    CloudError
        If there is none, or it is damaged.
    """
    path = Path(folder) / RECORD
    try:
        return JobRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CloudError(f"{folder} has no job on Azure. Choose the run folder of a job that was submitted.") from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise CloudError(f"{path} is damaged ({type(error).__name__}). The job itself is in the portal.") from None
