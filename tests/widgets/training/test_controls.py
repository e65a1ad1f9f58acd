"""What the fine-tuning dock offers follows from its state alone."""

from dataclasses import replace

import pytest

from napari_centermask.jobs.explain import Failure
from napari_centermask.widgets.training.controls import (
    DRAWING,
    NO_DATA,
    Controls,
    DockState,
    controls,
    install_question,
    remedies,
)

READY = DockState(has_data=True)
RUNNING = replace(READY, run="running")
STOPPED = replace(READY, run="stopped", can_resume=True)
DONE = replace(READY, run="done", can_resume=True, has_model=True, name="mine")
BUTTONS = ("start", "pause", "stop", "discard", "install", "predict")


def offered(shown: Controls) -> set[str]:
    return {name for name in BUTTONS if getattr(shown, name).enabled}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (DockState(), set()),
        (READY, {"start"}),
        (replace(READY, is_planning=True), {"start"}),
        (replace(READY, run="starting"), {"pause", "stop", "discard"}),
        (RUNNING, {"pause", "stop", "discard"}),
        (replace(RUNNING, is_pausing=True), {"stop", "discard"}),
        (replace(RUNNING, run="paused"), {"pause", "stop", "discard"}),
        (replace(RUNNING, run="stopping"), {"discard"}),
        (STOPPED, {"start", "pause", "discard"}),
        (replace(STOPPED, can_resume=False), {"start", "discard"}),
        (replace(STOPPED, other="first"), {"discard"}),
        (replace(STOPPED, run="failed"), {"start", "pause", "discard"}),
        (DONE, {"start", "discard", "install"}),
        (replace(DONE, name="no/name"), {"start", "discard"}),
        (replace(DONE, is_installing=True), {"start", "discard"}),
        (replace(DONE, installed="mine"), {"start", "discard", "predict"}),
        (replace(DONE, installed="other"), {"start", "discard", "install", "predict"}),
        (replace(DONE, installed="other", read_only="Open elsewhere."), {"start", "discard", "install"}),
    ],
)
def test_only_what_can_work_is_offered(state, expected):
    shown = controls(state)
    assert offered(shown) - ({"install"} if not shown.shows_install else set()) == expected
    assert all(getattr(shown, name).tooltip for name in BUTTONS)


@pytest.mark.parametrize(
    ("state", "button", "reason"),
    [
        (DockState(), "start", NO_DATA),
        (RUNNING, "start", "A training is already running. Stop it or wait."),
        (replace(STOPPED, other="first"), "start", "'first' is already running."),
        (replace(STOPPED, other="first"), "pause", "'first' is already running."),
        (replace(RUNNING, is_pausing=True), "pause", "The run pauses after this step."),
        (replace(RUNNING, run="stopping"), "stop", "The run is stopping."),
        (DONE, "stop", "The run has ended."),
        (DONE, "predict", "Install the model first."),
        (replace(DONE, installed="mine", read_only="Open elsewhere."), "predict", "Open elsewhere."),
        (replace(DONE, installed="mine"), "install", "The model is installed under this name."),
        (replace(DONE, name="a b"), "install", "Use letters"),
    ],
)
def test_a_disabled_button_says_why(state, button, reason):
    shown = getattr(controls(state), button)
    assert not shown.enabled
    assert shown.tooltip.startswith(reason)


def test_the_check_of_the_data_is_cancelled_by_the_button_that_began_it():
    assert [controls(replace(READY, is_planning=p)).start.text for p in (False, True)] == ["Fine-tune", "Cancel"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (DockState(), NO_DATA),
        (replace(READY, is_planning=True), "The data are being checked."),
        (replace(READY, is_drawing=True), DRAWING),
    ],
)
def test_tiles_are_drawn_whatever_is_running_where_there_are_data(state, reason):
    assert controls(READY).tiles.enabled
    assert controls(RUNNING).tiles.enabled
    assert (controls(state).tiles.enabled, controls(state).tiles.tooltip) == (False, reason)


@pytest.mark.parametrize(
    ("state", "text", "resumes"),
    [
        (RUNNING, "Pause", False),
        (replace(RUNNING, run="stopping"), "Pause", False),
        (replace(RUNNING, run="paused"), "Resume", True),
        (STOPPED, "Continue", True),
        (replace(DONE, can_resume=True, rest="283 steps"), "Continue", True),
    ],
)
def test_one_button_pauses_and_resumes(state, text, resumes):
    shown = controls(state)
    assert (shown.pause.text, shown.resumes) == (text, resumes)


def test_a_run_that_the_time_limit_cut_short_can_go_on_and_says_what_is_left():
    cut = controls(replace(DONE, can_resume=True, rest="283 steps, about 26 min as measured"))
    assert cut.pause.enabled
    assert cut.pause.tooltip == ("Train the rest without a time limit: 283 steps, about 26 min as measured.")
    assert not controls(replace(DONE, can_resume=True)).pause.enabled
    assert not controls(replace(DONE, can_resume=True, rest="283 steps", other="first")).pause.enabled


def test_the_box_of_the_new_model_is_there_when_the_run_has_left_one():
    assert controls(DONE).shows_install
    assert not controls(replace(DONE, run="running")).shows_install
    assert not controls(replace(DONE, has_model=False)).shows_install
    assert [controls(s).shows_run for s in (READY, RUNNING)] == [False, True]


def test_to_install_stands_out_where_the_comparison_recommends_it():
    better = replace(DONE, verdict="It is better.", is_recommended=True)
    assert controls(better).highlights_install
    assert not controls(replace(better, installed="mine")).highlights_install
    assert not controls(DONE).highlights_install
    assert install_question(better) == ""
    assert install_question(replace(DONE, verdict="It is worse.")) == "It is worse. Install it anyway?"
    assert install_question(DONE).startswith("The new model was not compared")
    assert "as it was trained from scratch. Install it anyway?" in install_question(DONE, has_start=False)


def test_what_is_below_the_data_is_the_latest_word_on_them():
    assert controls(DockState(note="24 cells")).about == NO_DATA
    assert controls(replace(READY, note="24 cells")).about == "24 cells"
    assert controls(replace(READY, note="24 cells", is_planning=True)).about == "Checking the data…"


def test_the_installation_is_reported():
    assert controls(replace(DONE, is_installing=True)).installation.startswith("Installing.")
    assert controls(replace(DONE, installed="mine")).installation.startswith("Installed as 'mine'.")
    assert controls(replace(DONE, installation_error="The name is taken.")).installation == "The name is taken."
    assert controls(DONE).installation == ""


def test_a_failure_offers_its_remedy_first_and_then_to_continue():
    short = Failure("Too large.", "memory", {"batch": 2, "replay_part": 0.1})
    first, second = remedies(short, can_resume=True)
    assert (first.title, first.changes) == ("Try again with batch 2, replay part 0.1", short.remedy)
    assert (second.title, second.changes) == ("Continue from the last checkpoint", {})
    assert [r.title for r in remedies(Failure("Crash."), can_resume=False)] == ["Start again"]


def test_a_run_on_azure_can_be_stopped_but_neither_paused_nor_deleted_while_it_goes_on():
    running = replace(RUNNING, is_elsewhere=True)
    assert offered(controls(running)) == {"stop"}
    assert "Azure cannot be paused" in controls(running).pause.tooltip
    assert "discard" in offered(controls(replace(running, run="stopped")))
    for_azure = replace(READY, is_for_azure=True)
    assert controls(for_azure).start.text == "Fine-tune on Azure…"
    assert "start" not in offered(controls(replace(for_azure, no_azure="Azure needs its packages.")))
    assert "start" not in offered(controls(replace(for_azure, is_estimating=True)))


def test_a_new_network_is_trained_and_a_model_is_fine_tuned():
    assert [controls(replace(READY, is_new=new)).start.text for new in (False, True)] == ["Fine-tune", "Train"]
    assert controls(replace(READY, is_new=True, is_for_azure=True)).start.text == "Train on Azure…"
