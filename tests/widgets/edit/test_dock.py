"""The dock "CenterMask: Correct": buttons, write mode, undo by name, keys."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.edit.correction import perform
from napari_centermask.widgets.edit.key_names import napari_keys, napari_name, pretty_key
from napari_centermask.widgets.edit.keys import KEYS, BadKey, Keys
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of

pytestmark = pytest.mark.gui
SHAPE = (96, 128)


@pytest.fixture(autouse=True)
def keys_file(tmp_path, monkeypatch):
    """Keys of the test alone."""
    monkeypatch.setattr(KEYS, "_path", tmp_path / "keys.json")
    monkeypatch.setattr(KEYS, "_chosen", {})
    return tmp_path / "keys.json"


@pytest.fixture
def dock(make_napari_viewer, qtbot):
    """The dock beside an image with four squares, two of which overlap."""
    from napari_centermask.widgets.edit.dock import CorrectDock

    viewer = make_napari_viewer()
    source = viewer.add_image(np.zeros((2, *SHAPE), np.uint8), name="image")
    result = Result(SHAPE, leading=(2,))
    result.categories = {1: "cell", 2: "dead"}
    squares = [(10, 10), (20, 20), (60, 60), (60, 100)]
    cells = [Instance(0, y, x, np.ones((20, 20), bool)) for y, x in squares]
    result.put((0,), Instances(SHAPE, cells, categories=result.categories))
    session_of(viewer).attach(source, ImagePlanes.of(source), result)
    dock = CorrectDock(viewer)
    viewer.window.add_dock_widget(dock, name="CenterMask: Correct")
    viewer.dims.set_current_step(0, 0)
    yield dock
    dock.session.settle()


def test_every_tool_has_a_button_and_says_why_it_is_disabled(dock):
    assert set(dock.tools.buttons) >= {"new_brush", "new_polygon", "delete", "split_line", "split_seeds", "split_auto"}
    assert set(dock.tools.buttons) >= {"merge", "fill_holes", "remove_debris", "smooth", "grow", "shrink", "raise"}
    assert set(dock.tools.buttons) >= {"lower", "take_shared", "give_shared", "copy_next"}
    assert not dock.tools.buttons["merge"].isEnabled()
    assert "Shift-click" in dock.tools.buttons["merge"].toolTip()
    dock.edits.select((1, 2))
    assert dock.tools.buttons["merge"].isEnabled()
    assert "Key: J" in dock.tools.buttons["merge"].toolTip()


def test_buttons_do_what_they_say_and_undo_names_it(dock):
    edits = dock.edits
    edits.select((3,))
    for name, undo in [
        ("grow", "growth of cell 3"),
        ("shrink", "shrinking of cell 3"),
        ("smooth", "smoothing of cell 3"),
        ("raise", "raising of cell 3"),
        ("lower", "lowering of cell 3"),
        ("category_2", "change of category of cell 3"),
        ("delete", "deletion of cell 3"),
    ]:
        dock.tools.buttons.get(name, None) and dock.tools.buttons[name].click()
        if name not in dock.tools.buttons:
            dock.perform(name)
        assert edits.history.undo_name == undo
        assert dock.painting.undo.toolTip().startswith(f"Undo {undo}")
    assert dock.painting.undo.text().startswith("Undo deletion")
    dock.painting.undo.click()
    assert edits.result.get((0,), 3).category == 2
    assert dock.painting.redo.text().startswith("Redo deletion")
    edits.select((1, 2))
    dock.tools.buttons["merge"].click()
    assert len(edits.result) == 3
    edits.select((4,))
    dock.tools.buttons["copy_next"].click()
    assert edits.current_plane == (1,)
    assert len(edits.result.plane((1,))) == 1
    dock.active.buttons["accept"].click()
    assert edits.result.get((1,), edits.selected[0]).status == "accepted"


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


def test_an_image_without_cells_gets_its_first_one_by_a_button(dock):
    source = dock._viewer.add_image(np.zeros(SHAPE, np.uint8), name="bare")
    assert dock.image.layer is source
    assert dock.edits is None
    assert "no cells yet" in dock.active.cell.text()
    dock.perform("new_brush")
    dock.edits.active.layer.paint((40, 40), 1)
    dock.edits.flush()
    assert len(dock.session.result(source)) == 1


def test_default_keys_are_free_and_each_is_used_once():
    from napari.utils.key_bindings import coerce_keybinding

    meant = {"Ctrl+Z", "Ctrl+Shift+Z", "Escape"}  # what they do for labels, they do for cells
    taken = napari_keys()
    used = [k for a in KEYS.actions.values() for k in (a.key, *a.also) if k]
    bindings = [str(coerce_keybinding(k)) for k in used]
    assert len(set(bindings)) == len(bindings)
    assert {b for b in bindings if b in taken} <= meant


def test_a_changed_key_works_is_kept_and_clashes_are_refused(dock, keys_file):
    layer = dock.edits.active.layer
    dock.keys.change("grow", "Shift-F")
    assert json.loads(keys_file.read_text()) == {"grow": "Shift-F"}
    names = {str(k): f.__name__ for k, f in layer.keymap.items()}
    assert names["Shift+F"] == "grow"
    assert "G" not in names
    dock.keys.change("shrink", "J")
    assert "Merge" in dock.keys.note.text()
    with pytest.raises(BadKey, match="napari uses"):
        KEYS.set_key("shrink", "P")
    with pytest.raises(BadKey, match="such as"):
        KEYS.set_key("shrink", "nonsense-key")
    dock.keys.reset.click()
    assert KEYS.key("grow") == "G"
    assert "G" in {str(k) for k in layer.keymap}


def test_a_damaged_file_of_keys_is_left_out(tmp_path):
    path = tmp_path / "keys.json"
    for text in ("{", "[1]", '{"grow": 3, "shrink": "no key at all", "delete": "Shift-D"}'):
        path.write_text(text)
        keys = Keys(path)
        for action in KEYS.actions.values():
            keys.add(action)
        assert keys.key("grow") == "G"
        assert keys.key("shrink") == "Shift-G"


def test_keys_chosen_under_earlier_names_of_actions_are_read(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text('{"remove_crumbs": "Shift-F", "exclusive": "Shift-W", "ghost_accept": ""}')
    keys = Keys(path)
    for action in KEYS.actions.values():
        keys.add(action)
    assert [keys.key(name) for name in ("remove_debris", "take_shared", "accept_candidate")] == [
        "Shift-F",
        "Shift-W",
        "",
    ]
    keys.set_key("grow", "Shift-D")
    assert json.loads(path.read_text()) == {
        "remove_debris": "Shift-F",
        "take_shared": "Shift-W",
        "accept_candidate": "",
        "grow": "Shift-D",
    }


@pytest.mark.parametrize(
    ("qt", "napari", "shown"),
    [("Ctrl+Shift+G", "Control-Shift-G", "Ctrl ⇧G"), ("PgUp", "PageUp", "PgUp"), (",", ",", ","), ("K", "K", "K")],
)
def test_key_names(qt, napari, shown):
    assert napari_name(qt) == napari
    assert pretty_key(napari) == shown


def test_the_dock_can_be_closed_and_opened_again(dock):
    from napari_centermask.widgets.edit.dock import CorrectDock

    dock.edits.select((2,))
    again = CorrectDock(dock._viewer)
    dock._viewer.window.add_dock_widget(again, name="again")
    assert again.edits is dock.edits
    assert "Cell 2" in again.active.cell.text()


LOOKING = {"previous", "next", "candidates", "next_candidate", "isolate"}


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
