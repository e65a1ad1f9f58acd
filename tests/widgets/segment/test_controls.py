"""What the Segment dock offers follows from its state alone."""

from dataclasses import replace

import pytest

from napari_centermask.widgets.segment.controls import REGION, DockState, controls

READY = DockState(image="cells", has_model=True)
ALL = {"run", "cancel", "estimate", "circle", "draw", "classes", "colours", "outlines", "own_outlines", "hatch"}
LOOK = {"colours", "outlines", "own_outlines", "hatch"}
MODEL = {"run", "estimate", "classes"}


def offered(state: DockState) -> set[str]:
    shown = controls(state)
    assert all(getattr(shown, name).tooltip for name in ALL)
    return {name for name in ALL if getattr(shown, name).enabled}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (DockState(), set()),
        (READY, MODEL | {"draw"}),
        (replace(READY, has_model=False), {"draw"}),
        (replace(READY, image_problem="One axis."), {"draw"}),
        (replace(READY, is_running=True), {"draw", "cancel"}),
        (replace(READY, closed="Open elsewhere.", has_result=True), {"estimate", "classes", "draw"} | LOOK),
        (replace(READY, has_diameter=True, has_result=True), ALL - {"cancel"}),
    ],
)
def test_only_what_can_work_is_offered(state, expected):
    assert offered(state) == expected


@pytest.mark.parametrize(
    ("state", "button", "reason"),
    [
        (DockState(has_model=True), "run", "There is no image layer."),
        (
            DockState(other_layer="'mine' is a Labels layer"),
            "draw",
            "There is no image layer; 'mine' is a Labels layer.",
        ),
        (replace(READY, has_model=False), "run", "No model is installed. Add one: napari-centermask models add"),
        (replace(READY, image_problem="One axis."), "estimate", "One axis."),
        (replace(READY, is_running=True), "classes", "A run is in progress."),
        (replace(READY, closed="Open elsewhere."), "run", "Open elsewhere."),
        (READY, "cancel", "Nothing is running."),
        (READY, "circle", "Enter a diameter or press Estimate first."),
        (READY, "hatch", "Run to see the cells."),
    ],
)
def test_a_disabled_button_says_why(state, button, reason):
    shown = getattr(controls(state), button)
    assert not shown.enabled
    assert shown.tooltip.startswith(reason)


def test_a_region_can_be_drawn_where_one_is_to_be_segmented():
    assert controls(replace(READY, scope=REGION)).shows_draw
    assert not controls(READY).shows_draw


def test_run_names_its_image_and_says_if_that_is_not_seen():
    assert controls(READY).run.text == "Run on cells"
    assert controls(DockState()).run.text == "Run"
    assert controls(READY).note == ""
    unseen = replace(READY, unseen="This image is hidden.")
    assert controls(unseen).note == "This image is hidden. Run brings it into view."


def test_a_model_that_does_not_suit_is_doubted_with_a_way_on():
    poor = replace(READY, model="nuclei", misfit="It found no cells.")
    assert controls(READY).doubt == ""
    assert controls(poor).doubt == (
        "'nuclei' does not seem to suit this image. It found no cells. Compare the diameter with the circle, draw about 20 cells "
        "and fine-tune."
    )
    assert "try 'cells', or draw" in controls(replace(poor, other_model="cells")).doubt
    assert controls(replace(poor, is_running=True)).doubt == ""


def test_a_model_of_other_images_is_doubted_before_a_run():
    other = replace(READY, unsuited="This image looks like A; 'nuclei' was trained on B.")
    assert controls(other).doubt == (
        "This image looks like A; 'nuclei' was trained on B. Draw about 20 cells and fine-tune."
    )
    assert controls(replace(other, other_model="cells")).doubt.endswith(
        ". Try 'cells', or draw about 20 cells and fine-tune."
    )
