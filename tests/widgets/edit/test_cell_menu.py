"""A right click on a cell: its menu; and cells that are hidden."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from corrected_cells import correct, views_agree

from napari_centermask.widgets.edit.cell_menu import cell_menu
from napari_centermask.widgets.edit.clicks import ClickSelect
from napari_centermask.widgets.edit.correction import perform
from napari_centermask.widgets.edit.keys import KEYS


def entries(menu):
    return {a.text().partition("\t")[0]: a for a in menu.actions() if a.text()}


def right_click(edits, y, x, *, moved=0):
    clicks = next(a for a in edits.attached if isinstance(a, ClickSelect))
    event = SimpleNamespace(type="mouse_press", button=2, pos=(50, 50), position=(y, x), modifiers=())
    press = clicks._on_right_press(edits.session.viewer, event)
    next(press, None)
    event.type, event.pos = "mouse_release", (50 + moved, 50)
    next(press, None)
    menu, clicks.menu = clicks.menu, None
    return menu


@pytest.fixture
def edits(bare_viewer):
    edits = correct(bare_viewer)
    edits.result.categories = {1: "cell", 2: "dead"}
    edits.activate()
    bare_viewer.layers.selection.active = edits.active.layer
    return edits


def test_a_right_click_selects_the_cell_and_opens_its_menu(edits):
    menu = right_click(edits, 70, 100)
    assert edits.selected == (4,)
    assert {"Cell 4", "Accept", "Reject", "Delete", "Category", "Split", "Hide"} <= set(entries(menu))
    menu.close()
    assert right_click(edits, 30, 30, moved=20) is None  # a drag zooms
    assert edits.selected == (4,)


def test_a_right_click_on_one_of_several_selected_cells_is_meant_for_all(edits):
    edits.select((4, 1))
    menu = right_click(edits, 70, 100)
    assert edits.selected == (4, 1)
    entries(menu)["Delete"].trigger()
    assert edits.history.undo_name == "deletion of 2 cells"
    menu.close()


def test_a_tool_in_hand_keeps_its_own_right_click(edits):
    edits.active.layer.mode = "paint"
    assert right_click(edits, 70, 100) is None


def test_the_menu_sets_the_category_and_splits(edits):
    edits.select((4,))
    menu = cell_menu(edits, perform)
    first = entries(menu)  # PySide6 deletes a menu with the last name of its entry
    categories = entries(first["Category"].menu())
    assert {name: entry.isChecked() for name, entry in categories.items()} == {"cell": True, "dead": False}
    categories["dead"].trigger()
    assert edits.cell.category == 2
    assert list(entries(first["Split"].menu())) == [
        "Split along a line",
        "Split at points",
        "Split automatically",
    ]
    assert not first["Merge"].isEnabled()
    assert "Shift-click" in first["Merge"].toolTip()


def test_a_hidden_cell_stays_as_it_is_and_clicks_reach_what_is_below(edits):
    edits.select((4,))
    before = edits.cell
    perform(edits, KEYS.actions["hide"])
    assert edits.selected == ()
    assert edits.at(70, 100) == []
    assert edits.shown.layers._cells[70, 100] == 0
    assert edits.result.get((), 4) is before
    assert edits.result.shows(before)  # it is saved and counted
    assert edits.history.undo_name is None
    menu = cell_menu(edits, perform, on_cell=False)
    entries(menu)["Show hidden cells"].trigger()
    assert edits.at(70, 100) == [4]
    assert views_agree(edits)


def test_a_hidden_cell_comes_back_when_it_is_selected_or_undone(edits):
    edits.run_tool("grow", (4,), n=2)
    edits.hide((4, 1))
    edits.undo()
    assert edits.hidden == (1,)
    edits.select((1,))
    assert edits.hidden == ()
    edits.select(())
    assert views_agree(edits)


def test_a_hidden_cell_comes_back_when_an_edit_changes_it_and_a_deleted_one_is_no_longer_hidden(edits):
    edits.hide((4, 1))
    window = {"mask": np.ones((5, 5), bool), "origin": (60, 100)}
    edits.run_tool("new_cell", mode="take over", **window)  # takes pixels of cell 4
    assert edits.hidden == (1,)
    assert edits.at(70, 100) == [4]
    edits.run_tool("delete", (1,))
    assert edits.hidden == ()
    assert views_agree(edits)
