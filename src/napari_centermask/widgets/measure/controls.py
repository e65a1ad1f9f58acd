"""What the Measure dock says and offers: a pure function of its state, without Qt."""

from __future__ import annotations

from dataclasses import dataclass

from napari_centermask.core.counted import counted
from napari_centermask.widgets.edit.allowed import NO_CELLS
from napari_centermask.widgets.parts.control import Control, control

QUICK_S = 4.0
"""Measuring that takes longer is not repeated after every edit: a choice."""


@dataclass(frozen=True)
class DockState:
    """All that the dock's buttons and texts depend on.

    Attributes
    ----------
    image
        Name of the chosen image; empty if none is chosen.
    n_cells
        Number of its cells that are shown.
    n_measured, n_selected
        Number of cells that are measured, and of those that are selected.
    channels
        Names of its channels.
    pixel_size_um
        Side of a pixel; None if it is unknown.
    is_measuring, is_exporting
        Whether cells are being measured, for the dock or for a file.
    is_stale
        Whether the cells were changed since they were measured.
    problem
        Why they could not be measured; empty if they could.
    in_project
        Whether the image belongs to the open project.
    """

    image: str = ""
    n_cells: int = 0
    n_measured: int = 0
    n_selected: int = 0
    channels: tuple[str, ...] = ()
    pixel_size_um: float | None = None
    is_measuring: bool = False
    is_exporting: bool = False
    is_stale: bool = False
    problem: str = ""
    in_project: bool = False


@dataclass(frozen=True)
class Controls:
    """What follows from the state.

    Attributes
    ----------
    about
        What is measured, or why there is nothing to see.
    selection
        How many cells are selected.
    """

    about: str
    selection: str
    again: Control
    clear: Control
    export: Control
    viability: Control


def controls(state: DockState) -> Controls:
    """What the dock says and offers in a state."""
    nothing = "" if state.n_cells else NO_CELLS
    return Controls(
        about=_about(state),
        selection=f"{state.n_selected:,} of {counted(state.n_measured, 'cell')} selected",
        again=control(
            "Measure all cells of the image again.",
            "" if state.image else "There is no image.",
            nothing,
            "The cells are being measured." if state.is_measuring else "",
        ),
        clear=control("Select no cell.", "" if state.n_selected else "No cell is selected."),
        export=control(
            "Save a row for each cell as CSV or Parquet, and beside it how many cells each frame has.",
            nothing,
            "The cells are being measured for a file." if state.is_exporting else "",
        ),
        viability=control(
            "Open the dock that counts living and dead cells.", "" if state.image else "There is no image."
        ),
    )


def _about(state: DockState) -> str:
    if not state.image:
        return "Open an image; its cells are measured here."
    if state.problem:
        return state.problem
    if not state.n_cells:
        return "There are no cells yet: run a model in Segment, or draw some in Correct. Each gets a row here."
    if not state.n_measured:
        return "The cells have not been measured yet."
    size = f"{state.pixel_size_um:.4g} µm/px" if state.pixel_size_um else "pixel size unknown"
    channels = f"channel{'s' if len(state.channels) > 1 else ''} {', '.join(state.channels)}"
    stale = " They were changed since: press Measure." if state.is_stale and not state.is_measuring else ""
    return f"{counted(state.n_measured, 'cell')} · {channels} · {size}.{stale}"
