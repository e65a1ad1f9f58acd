"""What the models dock offers follows from its state alone."""

from dataclasses import replace

import pytest

from napari_centermask.widgets.models.changes import Change, History
from napari_centermask.widgets.models.controls import DockState, controls

OWN = DockState(chosen="mine", other="nuclei", has_data=True)
ALL = {"rename", "archive", "delete", "undo", "export", "add", "compare"}


def offered(state: DockState) -> set[str]:
    shown = controls(state)
    assert all(getattr(shown, name).tooltip for name in ALL)
    return {name for name in ALL if getattr(shown, name).enabled}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (DockState(), {"add"}),
        (OWN, ALL - {"undo"}),
        (replace(OWN, last_change="Deleted 'old'."), ALL),
        (replace(OWN, last_change="Deleted 'old'.", is_busy=True), set()),
        (replace(OWN, is_busy=True, is_comparing=True), {"compare"}),
        (replace(OWN, is_shipped=True), {"export", "add", "compare"}),
        (replace(OWN, place="archived"), {"archive", "add"}),
        (replace(OWN, place="deleted"), {"archive", "delete", "add"}),
        (replace(OWN, other="mine"), ALL - {"undo", "compare"}),
        (replace(OWN, has_data=False), ALL - {"undo", "compare"}),
    ],
)
def test_only_what_can_work_is_offered(state, expected):
    assert offered(state) == expected


@pytest.mark.parametrize(
    ("place", "archive", "delete"),
    [
        ("offered", "Archive", "Delete"),
        ("archived", "Bring back", "Delete"),
        ("deleted", "Bring back", "Delete for good…"),
    ],
)
def test_two_buttons_say_what_they_do_to_the_chosen_model(place, archive, delete):
    shown = controls(replace(OWN, place=place))
    assert (shown.archive.text, shown.delete.text) == (archive, delete)


@pytest.mark.parametrize(
    ("state", "button", "reason"),
    [
        (DockState(), "rename", "Choose a model."),
        (replace(OWN, is_shipped=True), "delete", "This model is part of the plugin and cannot be changed."),
        (replace(OWN, place="archived"), "delete", "Bring it back first."),
        (OWN, "undo", "There is nothing to undo."),
        (replace(OWN, has_data=False), "compare", "Open a project, or choose a folder with annotated images."),
        (replace(OWN, other="mine"), "compare", "Choose another model to compare with."),
    ],
)
def test_a_disabled_button_says_why(state, button, reason):
    assert getattr(controls(state), button).tooltip == reason


def test_the_history_keeps_what_was_done_and_can_be_undone():
    history = History()
    for change, outcome in (
        (Change("one", print, print), "done"),
        (Change("export", print), "done"),
        (Change("two", print, print), "failed"),
    ):
        history.begin(change)
        history.end(outcome)
    assert history.last == "one"
    assert history.begin_undo().text == "Undone: one"
    history.end("failed")
    assert history.last == "one"
    history.begin_undo()
    history.end("gone")
    assert history.last == ""
