"""Buttons and numbers of the tools."""

from __future__ import annotations

import numpy as np


def test_every_tool_has_a_button_and_says_why_it_is_disabled(dock):
    assert set(dock.tools.buttons) >= {"new_brush", "new_polygon", "delete", "split_line", "split_seeds", "split_auto"}
    assert set(dock.tools.buttons) >= {"merge", "fill_holes", "remove_debris", "smooth", "grow", "shrink", "raise"}
    assert set(dock.tools.buttons) >= {"lower", "take_shared", "give_shared", "copy_next"}
    assert not dock.tools.buttons["merge"].isEnabled()
    assert "Shift-click" in dock.tools.buttons["merge"].toolTip()
    dock.edits.select((1, 2))
    assert dock.tools.buttons["merge"].isEnabled()
    assert "Key: J" in dock.tools.buttons["merge"].toolTip()


def test_n_pixels_and_debris_come_from_the_dock(dock):
    edits = dock.edits
    edits.select((3,))
    dock.tools.amount.setValue(4)
    dock.perform("grow")
    assert edits.cell.box == (56, 56, 84, 84)
    parts = np.zeros((1, 10), bool)
    parts[0, [0, 8, 9]] = True
    dock.edits.add(parts, (2, 100))
    assert edits.cell.area == 3
    dock.tools.debris.setValue(2)
    dock.perform("remove_debris")
    assert edits.cell.area == 2


def test_write_mode_and_category_follow_each_other(dock):
    next(b for b in dock.painting.modes.buttons() if b.property("mode") == "keep out").click()
    assert dock.edits.mode == "keep out"
    dock.perform("mode")
    assert dock.edits.mode == "overlap"
    assert next(b for b in dock.painting.modes.buttons() if b.isChecked()).property("mode") == "overlap"
    dock.edits.select((1,))
    dock.active.category.setCurrentIndex(1)
    dock.active.category.activated.emit(1)
    assert dock.edits.cell.category == 2
    assert "dead" in dock.active.cell.text()
