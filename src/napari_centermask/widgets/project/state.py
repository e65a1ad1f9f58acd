"""What the project dock's buttons may do, and its texts: pure functions of its state, without Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_centermask.core.errors import UserError
from napari_centermask.io.files import check_path
from napari_centermask.widgets.parts.control import Control, control

if TYPE_CHECKING:
    from napari_centermask.io.project import ProjectImage

_NO_PROJECT = "There is no project. Open a folder of images."


@dataclass(frozen=True)
class ProjectState:
    """State of a project and of the current image.

    Attributes
    ----------
    is_open
        Whether there is a project; otherwise, the other values have their defaults.
    read_only
        Why it cannot be changed; empty if it can.
    current
        Id of the current image, 0 for none.
    loading
        Name of the file that is being loaded; empty if none is.
    previous, following
        Ids of the images before and after; None if there is none.
    reviewed, images
        How many images are reviewed, and how many there are.
    """

    is_open: bool = False
    read_only: str = ""
    current: int = 0
    loading: str = ""
    previous: int | None = None
    following: int | None = None
    reviewed: int = 0
    images: int = 0


def controls(state: ProjectState) -> dict[str, Control]:
    """The buttons of the dock by name."""
    none = "" if state.is_open else _NO_PROJECT
    closed = none or state.read_only
    waits = f"Wait until {state.loading} is open." if state.loading else ""
    finished = waits or ("" if state.current else "Choose an image first.")
    before, after = ("There is no other image." if id is None else "" for id in (state.previous, state.following))
    return {
        "open": control("Open a project, or a folder of images, which becomes one. Your images stay as they are."),
        "save": control("Write annotations.json; the previous one is kept.", closed),
        "add": control("Add images from another folder; they stay where they are.", closed),
        "bring": control(
            "Import cells: a COCO file of any program, label images, LabelMe, YOLO or the Cell Tracking Challenge.",
            closed,
        ),
        "export": control("Check the cells and export them as COCO.", none),
        "predict": control("Segment the next untouched images while you work on this one.", closed),
        "previous": control("Go to the previous image.", none, before),
        "next": control("Go to the next image.", none, after),
        "done": control(
            "Confirm that all cells of this image are right and none is missing, and go to the next image to review.",
            closed,
            finished,
        ),
    }


def export_control(folder: str, percents: Sequence[int] | None) -> Control:
    """The button that exports.

    Parameters
    ----------
    folder
        The export folder as typed.
    percents
        Percentages of the split; None for no split.
    """
    total = 100 if percents is None else sum(percents)
    return control(
        "Export the cells to this folder.",
        "" if total == 100 else f"The split adds up to {total} %. Change it to 100 %.",
        _folder_problem(folder),
    )


def _folder_problem(folder: str) -> str:
    if not folder:
        return "Choose a folder."
    try:
        path = check_path(Path(folder))
    except UserError as error:
        return str(error)
    return "" if path.is_absolute() else f"'{folder}' is not a full path. Enter the full path, or press Browse."


def progress_text(state: ProjectState) -> str:
    """What is being done, or the progress of the review."""
    if state.loading:
        return f"Opening {state.loading}…"
    return f"{state.reviewed:,} of {state.images:,} images reviewed" if state.images else ""


def neighbour(images: Sequence[ProjectImage], here: int, step: int, *, open_only: bool = False) -> int | None:
    """The id of the usable image after this one (before it with a step of -1); None if there is none.

    Parameters
    ----------
    images
        The images in the order of the list.
    here
        0 stands for none: the first image is the next one, the last the previous.
    open_only
        Skip images that are reviewed.
    """
    usable = [i for i in images if not i.problem]
    ids = [i.id for i in usable]
    at = ids.index(here) if here in ids else (-1 if step > 0 else len(ids))
    rest = usable[at + step :: step] if 0 <= at + step < len(ids) else []
    return next((i.id for i in rest if not (open_only and i.status == "reviewed")), None)
