"""What the fine-tuning dock shows and offers: a pure function of its state, without Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_centermask.jobs.explain import Failure
from napari_centermask.jobs.process import ALIVE
from napari_centermask.models.store.zoo import is_name
from napari_centermask.widgets.parts.control import Control, control

NO_DATA = (
    "Open a project with reviewed images in the dock 'Project', or choose a folder with images and annotations.json."
)
DRAWING = "Drawing the tiles…"


@dataclass(frozen=True)
class DockState:
    """All that the dock's buttons and texts depend on.

    Attributes
    ----------
    has_data
        Whether there are data to train on.
    is_planning
        Whether the data are being checked.
    note
        The outcome of the check.
    is_drawing
        Whether training tiles are being drawn.
    is_new
        Whether a new network is trained instead of a model further.
    run
        State of the shown run, see `jobs.process.State`; empty if no run is shown.
    is_pausing
        Whether it was asked to pause and has not paused yet.
    can_resume, has_model
        Whether the shown run has a checkpoint to continue from, and a model.
    rest
        What the time limit left out of the shown run, in words; empty if it did not cut the run short.
    other
        Name of another run that is training now.
    name
        Name for the new model.
    installed
        The name under which the model of the shown run is installed; empty if it is not.
    is_installing
        Whether a model is being installed.
    installation_error
        Why it could not be installed.
    verdict
        Verdict of the comparison with the old model; empty without a comparison.
    is_recommended
        Whether the verdict recommends the new model.
    read_only
        Why the open project cannot be changed; empty if it can, and without one.
    is_for_azure, no_azure
        Whether the next run is for Azure, and why that is not possible.
    is_estimating
        Whether what it takes there is being computed.
    is_elsewhere
        Whether the shown run trains on Azure.
    """

    has_data: bool = False
    is_planning: bool = False
    note: str = ""
    is_drawing: bool = False
    is_new: bool = False
    run: str = ""
    is_pausing: bool = False
    can_resume: bool = False
    has_model: bool = False
    rest: str = ""
    other: str = ""
    name: str = ""
    installed: str = ""
    is_installing: bool = False
    installation_error: str = ""
    verdict: str = ""
    is_recommended: bool = False
    read_only: str = ""
    is_for_azure: bool = False
    no_azure: str = ""
    is_estimating: bool = False
    is_elsewhere: bool = False

    @property
    def is_alive(self) -> bool:
        """Whether the shown run has not ended."""
        return self.run in ALIVE


@dataclass(frozen=True)
class Controls:
    """What follows from the state.

    Attributes
    ----------
    about
        Text below the choice of data: what is missing, being done or planned.
    resumes
        Whether the pause button resumes the run instead.
    shows_run, shows_install
        Whether the boxes of the run and of its new model are visible.
    highlights_install
        Whether installing is the usual next step.
    installation
        The outcome of the installation.
    """

    about: str
    start: Control
    tiles: Control
    pause: Control
    resumes: bool
    stop: Control
    discard: Control
    install: Control
    predict: Control
    shows_run: bool
    shows_install: bool
    highlights_install: bool
    installation: str


def controls(state: DockState) -> Controls:
    """What the dock shows and offers in a state."""
    return Controls(
        about=_about(state),
        start=_start(state),
        tiles=control(
            "Show augmented training tiles with the outlines of their cells. Nothing is trained.",
            "" if state.has_data else NO_DATA,
            "The data are being checked." if state.is_planning else "",
            DRAWING if state.is_drawing else "",
        ),
        pause=_pause(state),
        resumes=state.run == "paused" or not state.is_alive,
        stop=control("End the run and keep the best model so far.", _over(state), _stopping(state)),
        discard=control("End the run and delete its folder.", "" if state.run else "No run is shown.", _costs(state)),
        install=_install(state),
        predict=control(
            "Segment the next image with the new model.",
            "" if state.installed else "Install the model first.",
            state.read_only,
        ),
        shows_run=bool(state.run),
        shows_install=bool(state.run) and not state.is_alive and state.has_model,
        highlights_install=state.is_recommended and not state.installed,
        installation=_installation(state),
    )


def _about(state: DockState) -> str:
    if not state.has_data:
        return NO_DATA
    return "Checking the data…" if state.is_planning else DRAWING if state.is_drawing else state.note


def _start(state: DockState) -> Control:
    if state.is_planning:
        return control("Stop checking the data; nothing is trained.", text="Cancel")
    verb = "Train" if state.is_new else "Fine-tune"
    return control(
        "Show what it takes on Azure, and start it there once you confirm."
        if state.is_for_azure
        else "Start training in its own process; you can keep working.",
        "" if state.has_data else NO_DATA,
        state.no_azure,
        "What it takes is being computed." if state.is_estimating else "",
        "A training is already running. Stop it or wait." if state.is_alive else "",
        _other(state),
        text=f"{verb} on Azure…" if state.is_for_azure else verb,
    )


def _pause(state: DockState) -> Control:
    if state.is_alive and state.is_elsewhere:
        return control("", "A run on Azure cannot be paused. Stop it; what it has reached is fetched.", text="Pause")
    if state.is_alive:
        if state.run == "paused":
            return control("Continue the run.", text="Resume")
        pausing = "The run pauses after this step." if state.is_pausing else ""
        return control("Pause the run after this step; its state is saved.", _stopping(state), pausing, text="Pause")
    has_rest = state.can_resume and (state.run != "done" or bool(state.rest))
    does = f"Train the rest without a time limit: {state.rest}." if state.rest else "Continue the run."
    return control(does, _other(state) if has_rest else "The run has ended.", text="Continue")


def _install(state: DockState) -> Control:
    return control(
        "Install the new model under this name.",
        "The model is installed under this name." if state.installed and state.name == state.installed else "",
        "A model is being installed." if state.is_installing else "",
        "" if is_name(state.name) else "Use letters, digits, '.', '_' and '-' only.",
    )


def _installation(state: DockState) -> str:
    if state.is_installing:
        return "Installing. This takes a few seconds."
    if state.installed:
        return f"Installed as '{state.installed}'. You can now choose it in every dock."
    return state.installation_error


def _costs(state: DockState) -> str:
    """Why a run cannot be deleted: Azure would go on with it."""
    return "Stop it first, so that Azure ends it, too." if state.is_alive and state.is_elsewhere else ""


def _over(state: DockState) -> str:
    return "" if state.is_alive else "The run has ended."


def _stopping(state: DockState) -> str:
    return "The run is stopping." if state.run == "stopping" else ""


def _other(state: DockState) -> str:
    """Why no training can start: another run is training; empty if none is."""
    return f"'{state.other}' is already running. Choose it under 'Show' to stop it, or wait." if state.other else ""


def install_question(state: DockState, *, has_start: bool = True) -> str:
    """The question before installing the new model; empty if the comparison recommends it.

    Parameters
    ----------
    has_start
        Whether it started from a model.
    """
    if state.is_recommended:
        return ""
    other = "the one that it started from" if has_start else "another one, as it was trained from scratch"
    return f"{state.verdict or f'The new model was not compared with {other}.'} Install it anyway?"


@dataclass(frozen=True)
class Remedy:
    """What to try after a failure: the title of the button, and the settings to change."""

    title: str
    changes: dict[str, Any]


def remedies(failure: Failure, *, can_resume: bool) -> Sequence[Remedy]:
    """Remedies for a failure, the most likely first."""
    again = Remedy("Continue from the last checkpoint" if can_resume else "Start again", {})
    if not failure.remedy:
        return (again,)
    words = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in failure.remedy.items())
    return (Remedy(f"Try again with {words}", failure.remedy), again)
