"""The way from a model that does not suit to one of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_centermask.widgets.parts.layout import put_first
from napari_centermask.widgets.parts.message_bar import MessageBar
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
    """Open the docks for drawing cells and fine-tuning a model on them, the first one needed in front, with the steps."""
    first, text = steps(in_project=in_project)
    docks = {name: open_dock(viewer, name) for name in ("Project", "Correct", "Review", "Fine-tune")}
    frame, dock = docks[first]
    QTimer.singleShot(0, frame.raise_)  # after the new docks have come to the front when they were first shown
    bar = dock.findChild(StepsBar)
    if bar is None:
        bar = StepsBar()
        put_first(dock, bar)
    bar.show_message(text)


class StepsBar(MessageBar):
    """The steps, above everything else in a dock; a notification of napari would cut them off."""
