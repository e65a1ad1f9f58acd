"""project.json: everything of a project except the annotations; validated when read, written whole."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_centermask.core.errors import BadProject
from napari_centermask.io.coco.document import LARGEST_SIDE
from napari_centermask.io.coco.extension import LARGEST_ID
from napari_centermask.io.own_files import PREVIOUS_PROJECT, PROJECT

FOLDERS = ("models", "runs")
Status = Literal["untouched", "predicted", "in work", "reviewed"]
NEW_CATEGORY = "cell"  # of a project without annotations, until the model in use names its own
STATUSES: tuple[Status, ...] = ("untouched", "predicted", "in work", "reviewed")
PALETTE = (
    "#4c9be8", "#e8794c", "#5cc27f", "#c95cc2", "#e8c84c", "#5cc2c2", "#e84c6f", "#9b7ae8", "#a3c25c",
)  # fmt: skip
"""Colours of the first categories: light enough for a dark canvas, and distinct for most people."""


@dataclass(frozen=True, slots=True)
class Category:
    """The name of a category of cells, and how it is shown.

    Attributes
    ----------
    colour
        "#rrggbb".
    key
        Key that gives cells this category; empty for none.
    of_model
        Whether it came with the model in use, and was not changed since: another model may replace it.
    """

    name: str
    colour: str
    key: str = ""
    of_model: bool = False


def _relative_or_absolute(path: str) -> str:
    """Check that a path is inside the folder, or absolute for a linked image."""
    pure = PurePosixPath(path.replace("\\", "/"))
    if not path or "\0" in path or (".." in pure.parts):
        raise ValueError(f"{path!r} is outside the project")
    return path


def _inside(name: str) -> str:
    pure = PurePosixPath(name.replace("\\", "/"))
    if not name or "\0" in name or pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]:
        raise ValueError(f"{name!r} is outside the project")
    return name


Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class CategoryEntry(BaseModel):
    """A category in project.json."""

    model_config = ConfigDict(extra="allow", strict=True)
    id: Id
    name: Annotated[str, Field(min_length=1, max_length=200)]
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
    key: Annotated[str, Field(max_length=40)] = ""
    of_model: bool = False

    @classmethod
    def of(cls, id: int, category: Category) -> Self:
        """The entry of a category."""
        return cls(id=id, **asdict(category))

    @property
    def category(self) -> Category:
        """The category without its id."""
        return Category(self.name, self.colour, self.key, self.of_model)


class ImageEntry(BaseModel):
    """An image in project.json.

    Attributes
    ----------
    file_name
        Its name in the annotations, with forward slashes; unique.
    path
        Path of the file: relative to the folder, or absolute for a linked image.
    shape, leading, axes
        (H, W), the sizes of the t and z axes, and the letters of all axes; None and empty if it could not be read yet.
    group
        Images of one group come from one source and never go to different splits; if empty, the name decides.
    size, mtime_ns
        Size and time of the file when it was last read.
    """

    model_config = ConfigDict(extra="allow")
    id: Id
    file_name: Annotated[str, AfterValidator(_inside)]
    path: Annotated[str, AfterValidator(_relative_or_absolute)]
    shape: tuple[Side, Side] | None = None
    leading: Annotated[tuple[Side, ...], Field(max_length=4)] = ()
    axes: str = ""
    status: Status = "untouched"
    group: str = ""
    pixel_size_um: float | None = None
    size: int = 0
    mtime_ns: int = 0


class ProjectFile(BaseModel):
    """The content of project.json.

    Attributes
    ----------
    edits
        Number of the last journal record that this file contains.
    known
        SHA-256 of the last annotations.json that this program wrote, and of the one before.
    uid
        Tells this project from another one in its place; empty in files of earlier versions, until they are saved.
    """

    model_config = ConfigDict(extra="allow")
    format: Literal["napari-centermask project"] = "napari-centermask project"
    version: Literal[1] = 1
    edits: Annotated[int, Field(ge=0, lt=2**53)] = 0
    known: list[str] = []
    uid: str = ""
    categories: list[CategoryEntry] = []
    images: list[ImageEntry] = []

    @model_validator(mode="after")
    def _ids_once(self) -> ProjectFile:
        for what, values in (
            ("image id", [i.id for i in self.images]),
            ("image name", [i.file_name for i in self.images]),
            ("category id", [c.id for c in self.categories]),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"an {what} occurs twice")
        return self

    def named(self) -> dict[int, Category]:
        """Names of the categories by id."""
        return {c.id: c.category for c in self.categories}

    def encoded(self) -> Iterable[bytes]:
        """The file's bytes."""
        return [self.model_dump_json(indent=1).encode()]


def read_project_file(folder: Path) -> ProjectFile | None:
    """Read project.json; None if the folder has none.

    Raises
    ------
    BadProject
        If it is damaged, from a newer version, or has a path outside the folder.
    """
    path = folder / PROJECT
    advice = f"{PREVIOUS_PROJECT} has the previous state: rename it to that name, or move both away to start over."
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise BadProject(f"The project at {path} cannot be read: {error}. {advice}") from error
    if isinstance(data, dict) and type(data.get("version")) is int and data["version"] > 1:
        raise BadProject(f"{path} was written by a newer version of this plugin. Update the plugin.")
    try:
        return ProjectFile.model_validate(data)
    except (ValidationError, RecursionError) as error:
        raise BadProject(f"The project at {path} is not valid: {_first(error)}. {advice}") from error


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "it is nested too deeply"
    first = error.errors()[0]
    place = " ".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def new_category(name: str, existing: dict[int, Category], *, id: int = 0) -> tuple[int, Category]:
    """A category with a free id, colour and digit key."""
    id = id or max(existing, default=0) + 1
    colours = [c for c in PALETTE if c not in {e.colour for e in existing.values()}]
    keys = [k for k in "123456789" if k not in {e.key for e in existing.values()}]
    return id, Category(name, colours[0] if colours else PALETTE[id % len(PALETTE)], keys[0] if keys else "")
