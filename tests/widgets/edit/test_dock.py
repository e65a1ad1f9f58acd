"""The dock "Correct": its first cell, closed and opened again."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.widgets.edit.correction import perform
from napari_centermask.widgets.edit.keys import KEYS

pytestmark = pytest.mark.gui
SHAPE = (96, 128)
LOOKING = {"previous", "next", "candidates", "next_candidate", "isolate", "hide", "show_hidden", "keys"}


def test_an_image_without_cells_gets_its_first_one_by_a_button(dock):
    source = dock._viewer.add_image(np.zeros(SHAPE, np.uint8), name="bare")
    assert dock.image.layer is source
    assert dock.edits is None
    assert "no cells yet" in dock.active.cell.text()
    dock.perform("new_brush")
    dock.edits.active.layer.paint((40, 40), 1)
    dock.edits.flush()
    assert len(dock.session.result(source)) == 1


def test_accept_is_disabled_without_cells_and_says_why(dock):
    going = [dock.active.buttons[name] for name in ("previous", "accept", "next")]
    assert all(button.isEnabled() for button in going)
    dock.edits.run_tool("delete", tuple(dock.edits.result.plane(dock.edits.current_plane).ids))
    assert not any(button.isEnabled() for button in going)
    assert all("There are no cells yet: run CenterMask, or draw one." in button.toolTip() for button in going)
    dock.painting.undo.click()
    assert all(button.isEnabled() for button in going)
    dock._viewer.add_image(np.zeros(SHAPE, np.uint8), name="bare")
    assert not dock.active.buttons["accept"].isEnabled()


def test_the_dock_can_be_closed_and_opened_again(dock):
    from napari_centermask.widgets.edit.dock import CorrectDock

    dock.edits.select((2,))
    again = CorrectDock(dock._viewer)
    dock._viewer.window.add_dock_widget(again, name="again")
    assert again.edits is dock.edits
    assert "Cell 2" in again.active.cell.text()


def test_cells_of_a_read_only_project_are_looked_at_and_not_changed(dock):
    edits, why = dock.edits, "Another window has this project open."
    edits.history.closed = why
    edits.select((1, 2))
    buttons = {**dock.active.buttons, **dock.tools.buttons, "undo": dock.painting.undo, "redo": dock.painting.redo}
    assert {name for name, button in buttons.items() if button.isEnabled()} == LOOKING
    assert all(why in button.toolTip() for name, button in buttons.items() if name not in LOOKING)
    for part in (dock.active.category, *dock.painting.modes.buttons()):
        assert (part.isEnabled(), part.toolTip()) == (False, why)
    edits.history.closed = ""
    edits.select((1,))
    assert dock.tools.buttons["delete"].isEnabled()
    assert dock.active.category.isEnabled()


def test_a_key_that_would_change_a_read_only_project_says_why(dock, notices):
    dock.edits.history.closed = "Another window has this project open."
    dock.edits.select((3,))
    perform(dock.edits, KEYS.actions["delete"])
    assert notices() == ["Delete: Another window has this project open."]
    assert len(dock.edits.result) == 4


def test_the_button_of_the_tool_in_hand_is_pressed_and_leaving_the_dock_puts_it_away(dock):
    dock.perform("new_brush")
    pressed = [name for name, button in dock.tools.buttons.items() if button.isChecked()]
    assert pressed == ["new_brush"]
    dock.on_left()
    assert dock.edits.active.layer.mode == "pan_zoom"
    assert not any(button.isChecked() for button in dock.tools.buttons.values())


def test_the_tool_stays_in_hand_if_that_is_chosen(dock):
    dock.perform("new_brush")
    dock.painting.keeps.setChecked(True)
    dock.edits.select((1,))
    assert dock.edits.active.layer.mode == "paint"
