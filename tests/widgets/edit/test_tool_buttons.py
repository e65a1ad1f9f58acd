"""What is used most is in sight, and the rest is folded by theme."""

from __future__ import annotations

from napari_centermask.widgets.edit.keys import KEYS
from napari_centermask.widgets.edit.tool_buttons import USUAL


def test_about_ten_tools_are_in_sight_and_all_others_are_folded_by_theme(dock):
    tools = dock.tools
    assert len(USUAL) - 1 == 11  # and the list of all keys
    folded = {name for name, b in tools.buttons.items() if any(f.isAncestorOf(b) for f in tools.folds.values())}
    assert folded == set(tools.buttons) - set(USUAL)
    assert not any(fold.isExpanded() for fold in tools.folds.values())
    assert list(tools.folds) == ["Shape", "Overlaps", "Low-confidence candidates", "View and frames"]


def test_every_action_with_a_label_has_a_button_with_its_key(dock):
    with_label = {name for name, action in KEYS.actions.items() if action.label}
    assert set(dock.tools.buttons) == with_label
    assert dock.tools.buttons["delete"].text() == "Delete D"
    KEYS.set_key("delete", "Shift-F")
    assert dock.tools.buttons["delete"].text() == "Delete ⇧F"
