"""What is offered for many images is a pure function of their state."""

from dataclasses import replace

import pytest

from napari_centermask.widgets.segment.many import (
    CHOICES,
    EVERY,
    SELECTED,
    UNTOUCHED,
    ManyState,
    many_controls,
)

READY = ManyState(
    project="plate",
    counts=dict.fromkeys(CHOICES, (0, 0)) | {UNTOUCHED: (12, 0), EVERY: (20, 3)},
    predicted=dict.fromkeys(CHOICES, 0) | {EVERY: 8},
    left=7,
)


def offered(state, choice=UNTOUCHED, model="nuclei"):
    shown = many_controls(state, choice, model=model)
    return {name: getattr(shown, name).enabled for name in ("start", "go_on", "cancel", "clear")}


def test_only_what_can_work_is_offered():
    assert offered(READY) == {"start": True, "go_on": True, "cancel": False, "clear": False}
    assert offered(READY, EVERY)["clear"]
    assert offered(replace(READY, is_running=True)) == {"start": False, "go_on": False, "cancel": True, "clear": False}
    assert not any(offered(replace(READY, closed="It is read-only."), EVERY).values())


@pytest.mark.parametrize(
    ("state", "choice", "model", "words"),
    [
        (READY, SELECTED, "nuclei", "Ctrl-click or Shift-click"),
        (READY, UNTOUCHED, "", "No model is installed"),
        (replace(READY, is_running=True), UNTOUCHED, "nuclei", "in progress"),
    ],
)
def test_a_disabled_button_says_why(state, choice, model, words):
    assert words in many_controls(state, choice, model=model).start.tooltip


def test_the_buttons_say_how_many_images_and_the_note_how_many_are_left_alone():
    shown = many_controls(READY, EVERY, model="nuclei")
    assert shown.start.text == "Segment 20 images"
    assert shown.go_on.text == "Go on with 7 images"
    assert shown.note == "3 images with corrected cells left alone."
