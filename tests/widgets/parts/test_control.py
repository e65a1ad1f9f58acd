"""What a button may do: the first reason against it is its tooltip."""

from napari_centermask.widgets.parts.control import Control, control


def test_a_button_is_disabled_by_the_first_reason_and_says_it():
    assert control("Saves.") == control("Saves.", "", "") == Control("Saves.", enabled=True)
    assert control("Saves.", "", "No project.", "Read only.", text="Save") == Control("No project.", False, "Save")
