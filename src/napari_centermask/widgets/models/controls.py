"""What the models dock offers: a pure function of its state, without Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_centermask.widgets.parts.control import Control, control

Place = Literal["offered", "archived", "deleted"]


@dataclass(frozen=True)
class DockState:
    """All that the dock's buttons depend on.

    Attributes
    ----------
    chosen
        Name of the chosen model; empty where none is chosen.
    place
        Whether it is offered in every dock, archived, or deleted and still on disk.
    is_shipped
        Whether it is part of the plugin.
    is_busy
        Whether models are being changed or compared.
    is_comparing
        Whether models are being compared.
    last_change
        What Undo would undo; empty for nothing.
    other
        The model to compare with.
    has_data
        Whether there are data to compare on.
    in_use
        Name of the model in use; empty until one is chosen in a dock.
    """

    chosen: str = ""
    place: Place = "offered"
    is_shipped: bool = False
    is_busy: bool = False
    is_comparing: bool = False
    last_change: str = ""
    other: str = ""
    has_data: bool = False
    in_use: str = ""


@dataclass(frozen=True)
class Controls:
    """The buttons; `archive` restores an archived or deleted model, and `delete` removes a deleted one for good."""

    use: Control
    rename: Control
    archive: Control
    delete: Control
    undo: Control
    export: Control
    add: Control
    compare: Control


def controls(state: DockState) -> Controls:
    """What the dock offers in a state."""
    busy = "Wait until the current task is finished." if state.is_busy else ""
    nothing = "" if state.chosen else "Choose a model."
    fixed = "This model is part of the plugin and cannot be changed." if state.is_shipped else ""
    away = "" if state.place == "offered" else "Bring it back first."
    return Controls(
        use=control("Segment and fine-tune with this model, in all docks.", nothing, away, _is_used(state)),
        rename=control("Rename the model.", busy, nothing, fixed, away),
        archive=_archive(state, busy, nothing, fixed),
        delete=_delete(state, busy, nothing, fixed),
        undo=control(f"Undo: {state.last_change}", busy, "" if state.last_change else "There is nothing to undo."),
        export=control("Copy the model's files to a folder.", busy, nothing, away),
        add=control("Install a model file, ours or a public CenterMask2 checkpoint.", busy),
        compare=_compare(state, busy, nothing, away),
    )


def _compare(state: DockState, *reasons: str) -> Control:
    if state.is_comparing:
        return control("Stop the comparison.", text="Cancel")
    return control("Compare both models on the same images.", *reasons, _no_comparison(state), text="Compare")


def _archive(state: DockState, *reasons: str) -> Control:
    if state.place == "offered":
        return control("Keep the model, but hide it in the other docks.", *reasons, text="Archive")
    return control("Offer the model in the other docks again.", *reasons, text="Bring back")


def _delete(state: DockState, *reasons: str) -> Control:
    if state.place == "deleted":
        return control("Delete its files. This cannot be undone.", *reasons, text="Delete for good…")
    archived = "Bring it back first." if state.place == "archived" else ""
    return control("Delete the model. Undo brings it back.", *reasons, archived, text="Delete")


def _is_used(state: DockState) -> str:
    return "This model is in use already." if state.chosen and state.chosen == state.in_use else ""


def _no_comparison(state: DockState) -> str:
    if not state.has_data:
        return "Open a project, or choose a folder with annotated images."
    return "Choose another model to compare with." if state.other == state.chosen else ""
