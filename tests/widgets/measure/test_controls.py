"""What the Measure dock says and offers follows from its state alone."""

from dataclasses import replace

import pytest

from napari_centermask.widgets.measure.controls import DockState, controls

READY = DockState(image="field", n_cells=20, n_measured=20, n_selected=3, channels=("DAPI", "GFP"), pixel_size_um=0.5)
ALL = {"again", "clear", "export", "viability"}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (DockState(), set()),
        (READY, ALL),
        (replace(READY, n_selected=0), ALL - {"clear"}),
        (replace(READY, is_measuring=True), ALL - {"again"}),
        (replace(READY, is_exporting=True), ALL - {"export"}),
        (DockState(image="field"), {"viability"}),
    ],
)
def test_only_what_can_work_is_offered_and_all_of_it_is_explained(state, expected):
    shown = controls(state)
    assert {name for name in ALL if getattr(shown, name).enabled} == expected
    assert all(getattr(shown, name).tooltip for name in ALL)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (READY, "20 cells · channels DAPI, GFP · 0.5 µm/px."),
        (replace(READY, channels=("Grey",), pixel_size_um=None), "20 cells · channel Grey · pixel size unknown."),
        (replace(READY, is_stale=True), "They were changed since: press Measure."),
        (replace(READY, problem="It is damaged."), "It is damaged."),
        (DockState(), "Open an image"),
        (DockState(image="field"), "There are no cells yet: run a model in Segment"),
        (replace(READY, n_measured=0), "not been measured"),
    ],
)
def test_the_dock_says_what_is_there_or_what_is_missing(state, words):
    assert words in controls(state).about


def test_the_selection_is_counted():
    assert controls(READY).selection == "3 of 20 cells selected"
    assert controls(replace(READY, n_measured=1, n_selected=1)).selection == "1 of 1 cell selected"
