"""Where a run trains if not on this computer: a file beside its run file, from which the job is started and found again."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.whole_file import whole_file
from napari_centermask.settings import Settings

PLACE = "place.json"


class Place(Settings):
    """A compute of a workspace of Azure Machine Learning, confirmed by a person who saw what it takes."""

    subscription_id: str = Field(..., min_length=1, description="As in the workspace's config.json.")
    resource_group: str = Field(..., min_length=1, description="As in the workspace's config.json.")
    workspace_name: str = Field(..., min_length=1, description="As in the workspace's config.json.")
    compute: str = Field(..., min_length=1, description="Name of the compute.")
    create: bool = Field(False, description="Make the compute if there is none of this name.")
    size: str | None = Field(None, description="The size of its machines then; the advised one if not given.")
    nodes: int = Field(1, ge=1, description="Number of machines.")
    hours: float | None = Field(None, gt=0, description="After which Azure ends the job.")


def write_place(folder: Path, place: Place) -> None:
    """Write it into a run folder.

    Raises
    ------
    CannotSave
        If the folder cannot be written.
    """
    with whole_file(Path(folder) / PLACE) as part:
        part.write_text(place.model_dump_json(indent=1), encoding="utf-8")


def is_elsewhere(folder: Path) -> bool:
    """Whether the run of a folder trains on another computer."""
    return (Path(folder) / PLACE).exists()


def read_place(folder: Path) -> Place:
    """Where the run of a folder trains.

    Raises
    ------
    BadSettings
        If it has no such file, or that is damaged.
    """
    path = Path(folder) / PLACE
    try:
        return Place.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadSettings(
            f"{path} does not say where to train ({type(error).__name__}). Start the run again."
        ) from None
