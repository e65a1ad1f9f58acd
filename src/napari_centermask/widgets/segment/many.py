"""Many images at a time, as the Segment dock offers them: the images of the project that is open, or of a folder.

The room of projects, which lies above this one, provides them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from psygnal import Signal

from napari_centermask.core.counted import counted
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.parts.control import Control, control

UNTOUCHED, NOT_REVIEWED, SELECTED, EVERY = "untouched", "not reviewed", "selected", "all"
CHOICES = {
    UNTOUCHED: "Untouched images",
    NOT_REVIEWED: "Images not reviewed",
    SELECTED: "Images selected in Project",
    EVERY: "All images",
}


@dataclass(frozen=True)
class ManyState:
    """All that the buttons for many images depend on.

    Attributes
    ----------
    project
        Name of the open project; empty if none is open.
    closed
        Why it cannot be changed; empty if it can.
    counts
        For each choice, the images that a run takes, and those with corrected cells that it leaves alone.
    predicted
        For each choice, the images with predictions.
    left
        Images that a stopped run has not done.
    is_running
        Whether a run is in progress.
    part, message
        Its progress; afterwards, a report.
    details
        Why each image was left out.
    """

    project: str = ""
    closed: str = ""
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    predicted: Mapping[str, int] = field(default_factory=dict)
    left: int = 0
    is_running: bool = False
    part: float = 0.0
    message: str = ""
    details: tuple[str, ...] = ()


class Many(Protocol):
    """What segments the images of a project."""

    def state(self, *, with_corrected: bool) -> ManyState: ...

    def start(self, choice: str, settings: SegmentSettings, *, with_corrected: bool) -> None: ...

    def go_on(self) -> None: ...

    def cancel(self) -> None: ...

    def clear(self, choice: str) -> None: ...

    def open(self, folder: Path) -> bool: ...


class ManySlot:
    """Where the room of projects puts its images.

    Attributes
    ----------
    changed
        Emitted when something that is shown about them has changed.
    many
        None until a project was opened in this window.
    """

    changed = Signal()

    def __init__(self) -> None:
        self.many: Many | None = None

    def end(self) -> None:
        """The viewer was closed."""
        self.many = None


@dataclass(frozen=True)
class ManyControls:
    """The buttons for many images, and the sentence beside them."""

    start: Control
    go_on: Control
    cancel: Control
    clear: Control
    note: str = ""


def many_controls(state: ManyState, choice: str, *, model: str) -> ManyControls:
    """What is offered for a choice of images.

    Parameters
    ----------
    model
        Name of the chosen model; empty if there is none.
    """
    n, left_alone = state.counts.get(choice, (0, 0))
    none = "" if n else _NONE[choice]
    running = "A run over many images is in progress. Cancel it or wait." if state.is_running else ""
    free = "" if model else "No model is installed."
    note = f"{counted(left_alone, 'image')} with corrected cells left alone." if left_alone else ""
    return ManyControls(
        start=control(
            f"Segment them with '{model}' and the settings here. The cells are predictions in the project.",
            running,
            state.closed,
            free,
            none,
            text=f"Segment {counted(n, 'image')}",
        ),
        go_on=control(
            "Segment the images that a stopped run has not done, with its settings.",
            running,
            state.closed,
            "" if state.left else "No run was stopped.",
            text=f"Go on with {counted(state.left, 'image')}",
        ),
        cancel=control("Stop; what is done stays.", "" if state.is_running else "Nothing is running."),
        clear=control(
            "Remove the predicted cells of these images; cells that you accepted or corrected stay.",
            running,
            state.closed,
            "" if state.predicted.get(choice) else "None of these images has predictions.",
        ),
        note="" if state.is_running else note,
    )


_NONE = {
    UNTOUCHED: "No image is untouched. Choose other images.",
    NOT_REVIEWED: "Every image is reviewed, or has corrected cells.",
    SELECTED: "No image is selected. Ctrl-click or Shift-click images in the list of the Project dock.",
    EVERY: "Every image has corrected cells.",
}
