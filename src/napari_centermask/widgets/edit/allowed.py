"""Which actions are possible now, and why others are not: pure functions of the state of the Correct and Review docks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from napari_centermask.widgets.parts.control import Control, control

NOT_FLAT = (
    "Cells can only be corrected in the 2D view of a plane. Switch back to 2D, or restore the order of the axes, "
    "with the buttons below the layer list."
)
_NO_IMAGE = "There is no image. Open one, or choose File > Open Sample."
NO_CELLS = "There are no cells: run CenterMask, or draw some in the dock 'Correct'."
_NO_CELL_YET = "There are no cells yet: run CenterMask, or draw one."
_THROUGH_CELLS = ("previous", "accept", "next")
"""Actions that select a cell if none is selected."""
_ALL_REVIEWED = "Every cell is reviewed."


class Requires(Protocol):
    """What an action requires; see `keys.Action`."""

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> int: ...

    @property
    def in_view(self) -> bool: ...

    @property
    def changes(self) -> bool: ...


@dataclass(frozen=True)
class CorrectState:
    """What the buttons of the Correct dock depend on.

    Attributes
    ----------
    has_image
        An image is chosen.
    is_flat
        Its planes are shown in 2D, with the axes in their order.
    n_selected
        Number of selected cells.
    undo_name, redo_name
        Of the edits that Undo and Redo would apply; None if there is none.
    closed
        Why the cells of the image cannot be changed, and what to do; empty if they can. See `core.history.History`.
    in_hand
        The action whose tool is in hand; empty if none is.
    has_cells
        A cell is shown, in any plane.
    """

    has_image: bool = True
    is_flat: bool = True
    n_selected: int = 0
    undo_name: str | None = None
    redo_name: str | None = None
    closed: str = ""
    in_hand: str = ""
    has_cells: bool = True


def why_not(action: Requires, state: CorrectState) -> str:
    """Why an action is not possible, and what to do; empty if it is possible."""
    if not state.has_image:
        return _NO_IMAGE
    if action.changes and state.closed:
        return state.closed
    if action.in_view and not state.is_flat:
        return NOT_FLAT
    if action.name in _THROUGH_CELLS and not state.has_cells:
        return _NO_CELL_YET
    if state.n_selected < action.needs:
        return too_few(action.needs)
    if action.name == "undo" and not state.undo_name:
        return "There is nothing to undo."
    if action.name == "redo" and not state.redo_name:
        return "There is nothing to redo."
    return ""


def too_few(needs: int) -> str:
    """The message for an action that needs more selected cells."""
    return "Select a cell first." if needs == 1 else f"Select at least {needs} cells; Shift-click adds one."


@dataclass(frozen=True)
class PartState:
    """What the buttons for a part of a large image depend on.

    Attributes
    ----------
    large
        Name of the folder of cells that is shown in lazy layers; empty if there is none.
    is_flat
        As in `CorrectState`.
    is_out
        A part is being corrected.
    is_busy
        It is being read or written.
    has_edits
        It was changed.
    """

    large: str = ""
    is_flat: bool = True
    is_out: bool = False
    is_busy: bool = False
    has_edits: bool = False


def part_controls(state: PartState) -> dict[str, Control]:
    """The buttons that take out a part of a large image, put it back and discard it."""
    busy = "The cells are being read or written." if state.is_busy else ""
    not_out = "" if state.is_out else "No part is being corrected."
    out = "Put the part back or discard it first." if state.is_out else ""
    flat = "" if state.is_flat else NOT_FLAT
    return {
        "take": control(
            f"Correct the cells of {state.large} that are in view, on an image of their own.", busy, out, flat
        ),
        "put": control("Write the cells of this part to the large image's.", busy, not_out),
        "discard": control("Leave this part as it was.", busy, not_out),
    }


@dataclass(frozen=True)
class ReviewState:
    """What the buttons of the Review dock depend on.

    Attributes
    ----------
    has_cells
        The chosen image has a result.
    is_flat
        As in `CorrectState`.
    n_waiting
        Number of cells that have not been reviewed.
    has_active
        A cell is selected.
    closed
        As in `CorrectState`.
    """

    has_cells: bool = False
    is_flat: bool = True
    n_waiting: int = 0
    has_active: bool = False
    closed: str = ""


def review_refusals(state: ReviewState) -> dict[str, str]:
    """Why each button of the Review dock is disabled; empty if it is enabled."""
    without_cells = "" if state.has_cells else NO_CELLS
    closed = without_cells or state.closed
    in_view = closed or ("" if state.is_flat else NOT_FLAT)
    step = without_cells or ("" if state.n_waiting else _ALL_REVIEWED)
    judge = in_view or ("" if state.n_waiting or state.has_active else _ALL_REVIEWED)
    return {
        **dict.fromkeys(("previous", "next"), step),
        **dict.fromkeys(("accept", "reject"), judge),
        **dict.fromkeys(("view", "draw", "whole"), in_view),
        "remove": closed,
        "check": without_cells,
    }
