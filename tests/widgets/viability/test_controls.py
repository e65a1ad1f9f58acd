"""What the viability dock shows and offers follows from its state alone."""

from dataclasses import replace

import pytest

from napari_centermask.widgets.viability.controls import DockState, controls

EMPTY = DockState(has_classifier=True)
READY = DockState(has_result=True, n_cells=6, n_following=4, n_fixed=1, has_classifier=True)
ALL = {"threshold", "category", "colours", "everywhere", "export", "classify", "cancel"}


def offered(state: DockState) -> set[str]:
    shown = controls(state)
    assert all(getattr(shown, name).tooltip for name in ALL)
    return {name for name in ALL if getattr(shown, name).enabled}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (EMPTY, set()),
        (READY, ALL - {"cancel"}),
        (replace(READY, is_classifying=True), ALL - {"classify"}),
        (replace(READY, is_measuring=True), ALL - {"export", "cancel"}),
        (replace(READY, has_classifier=False), ALL - {"classify", "cancel"}),
        (replace(READY, in_project=True, read_only="Open elsewhere."), ALL - {"everywhere", "classify", "cancel"}),
        (replace(READY, n_following=0), {"export", "classify"}),
        (replace(READY, categories_problem="There is only one."), {"export", "classify"}),
        (replace(READY, n_cells=0, n_following=0, n_fixed=0), {"export"}),
    ],
)
def test_only_what_can_work_is_offered(state, expected):
    assert offered(state) == expected


@pytest.mark.parametrize(
    ("state", "button", "reason"),
    [
        (EMPTY, "threshold", "There are no cells"),
        (EMPTY, "export", "There are no cells"),
        (EMPTY, "classify", "There are no cells"),
        (replace(READY, n_following=0), "everywhere", "The cells have no probabilities: run a model"),
        (replace(READY, categories_problem="There is only one."), "colours", "There is only one."),
        (replace(READY, read_only="Open elsewhere."), "everywhere", "Open elsewhere."),
        (replace(READY, read_only="Open elsewhere."), "classify", "Open elsewhere."),
        (replace(READY, is_measuring=True), "export", "The cells are being measured."),
        (replace(READY, is_classifying=True), "classify", "The cells are being classified."),
        (replace(READY, has_classifier=False), "classify", "Choose a classifier"),
        (READY, "cancel", "Nothing is being classified."),
    ],
)
def test_a_disabled_button_says_why(state, button, reason):
    shown = getattr(controls(state), button)
    assert not shown.enabled
    assert shown.tooltip.startswith(reason)


@pytest.mark.parametrize(
    ("state", "note"),
    [
        (EMPTY, "There are no cells"),
        (READY, "The threshold decides on 4 cells; 1 keeps its category."),
        (replace(READY, n_following=1), "The threshold decides on 1 cell; "),
        (replace(READY, n_fixed=0), "The threshold decides on 4 cells."),
        (replace(READY, categories_problem="There is only one."), "There is only one."),
    ],
)
def test_the_note_counts_the_cells_or_says_what_is_missing(state, note):
    assert controls(state).note.startswith(note)


def test_categories_that_no_threshold_gives_are_noted():
    assert "No threshold" not in controls(READY).note
    assert "No threshold gives the categories" in controls(replace(READY, fits=False)).note


def test_a_classifier_is_suggested_where_no_threshold_can_be_set():
    bare = replace(READY, n_following=0)
    assert controls(bare).suggests_classifier
    assert not controls(READY).suggests_classifier
    assert not controls(EMPTY).suggests_classifier
    assert not controls(replace(bare, read_only="Open elsewhere.")).suggests_classifier


def test_what_concerns_the_project_is_shown_for_its_images_only():
    assert controls(replace(READY, in_project=True)).shows_project
    assert not controls(READY).shows_project
