"""The way from a model that does not suit to one of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtCore import QTimer

from napari_centermask.widgets.viewer.dock import open_dock

if TYPE_CHECKING:
    from napari.viewer import Viewer

_STEPS = ("in Correct, draw about 20 cells", "in Review, mark a region where all cells are drawn", "press Fine-tune")
_PROJECT = "in Project, open the folder of your images"


def steps(*, in_project: bool) -> tuple[str, str]:
    """The dock to begin with, and what to do, as numbered steps.

    Parameters
    ----------
    in_project
        Whether the image belongs to a project: models are fine-tuned on those.
    """
    todo = _STEPS if in_project else (_PROJECT, *_STEPS)
    text = " ".join(f"{n}. {step[0].upper()}{step[1:]}." for n, step in enumerate(todo, start=1))
    return ("Correct" if in_project else "Project"), text


def open_fine_tuning(viewer: Viewer, *, in_project: bool) -> None:
    """Open the docks in which cells are drawn and a model is fine-tuned on them, the first one needed in front."""
    first, text = steps(in_project=in_project)
    frames = {name: open_dock(viewer, name)[0] for name in ("Project", "Correct", "Review", "Fine-tune")}
    QTimer.singleShot(0, frames[first].raise_)  # after the new docks have come to the front when they were first shown
    show_info(text)
