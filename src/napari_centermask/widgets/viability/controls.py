"""What the viability dock shows and offers: a pure function of its state, without Qt."""

from __future__ import annotations

from dataclasses import dataclass

from napari_centermask.core.counted import counted
from napari_centermask.widgets.edit.allowed import NO_CELLS
from napari_centermask.widgets.parts.control import Control, control

_NO_PROBABILITIES = "The cells have no probabilities: run a model with several categories, or classify the cells."


@dataclass(frozen=True)
class DockState:
    """All that the dock's buttons and texts depend on.

    Attributes
    ----------
    has_result
        Whether the chosen image has a result.
    n_cells
        Number of its cells, including those below the score threshold.
    categories_problem
        Why its categories do not allow a threshold; empty if they do.
    can_choose
        Whether there are categories of which one can be the dead one.
    n_following, n_fixed
        Number of cells that follow the threshold, and of those that keep their category.
    fits
        Whether a threshold gives the cells their present categories.
    in_project
        Whether the image belongs to the open project.
    read_only
        Why that project cannot be changed; empty if it can.
    is_measuring, is_classifying
        Whether cells are being measured, or classified.
    has_classifier
        Whether a classifier is chosen.
    """

    has_result: bool = False
    n_cells: int = 0
    categories_problem: str = ""
    can_choose: bool = False
    n_following: int = 0
    n_fixed: int = 0
    fits: bool = True
    in_project: bool = False
    read_only: str = ""
    is_measuring: bool = False
    is_classifying: bool = False
    has_classifier: bool = False


@dataclass(frozen=True)
class Controls:
    """What follows from the state.

    Attributes
    ----------
    note
        Text below the threshold: how many cells follow it, or why it cannot be set.
    threshold, category, colours
        The slider, its category, and the meaning of the colours.
    everywhere
        Applies the threshold to the whole project.
    shows_project
        Whether controls for the whole project are visible.
    suggests_classifier
        Whether classifying the cells is the usual next step.
    """

    note: str
    threshold: Control
    category: Control
    colours: Control
    everywhere: Control
    export: Control
    classify: Control
    cancel: Control
    shows_project: bool
    suggests_classifier: bool


def controls(state: DockState) -> Controls:
    """What the dock shows and offers in a state."""
    unset = _why_no_threshold(state)
    may_choose = state.can_choose and bool(state.categories_problem)
    return Controls(
        note=unset or _follow(state),
        threshold=control("Cells from this probability on are dead.", unset),
        category=control(
            "The category that the threshold is for: cells that are not viable.", "" if may_choose else unset
        ),
        colours=control("What the colours of the cells mean.", unset),
        everywhere=control(
            "Apply this threshold to the cells of all images: one edit in each image.", unset, state.read_only
        ),
        export=control(
            "Save a row for each cell: shape, intensities by channel, probabilities.",
            "" if state.has_result else NO_CELLS,
            "The cells are being measured." if state.is_measuring else "",
        ),
        classify=_classify(state),
        cancel=control(
            "Stop; the cells stay as they are.", "" if state.is_classifying else "Nothing is being classified."
        ),
        shows_project=state.in_project,
        suggests_classifier=bool(unset and state.n_cells and not state.read_only),
    )


def _why_no_threshold(state: DockState) -> str:
    if not state.has_result:
        return NO_CELLS
    return state.categories_problem or ("" if state.n_following else _NO_PROBABILITIES)


def _follow(state: DockState) -> str:
    keep = "keeps its" if state.n_fixed == 1 else "keep their"
    others = f"; {state.n_fixed:,} {keep} category" if state.n_fixed else ""
    text = f"The threshold decides on {counted(state.n_following, 'cell')}{others}."
    return text if state.fits else f"{text} No threshold gives the categories they have now; moving it replaces them."


def _classify(state: DockState) -> Control:
    return control(
        "Give all cells a category and probabilities, as one edit, which can be undone.",
        "The cells are being classified." if state.is_classifying else "",
        "" if state.n_cells else NO_CELLS,
        state.read_only,
        "" if state.has_classifier else "Choose a classifier; napari-centermask train-classifier makes one.",
    )
