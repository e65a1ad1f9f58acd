"""All that a person can do to cells: names, keys, and what each does."""

from __future__ import annotations

from napari_centermask.widgets.edit import action_table  # noqa: F401 - fills the table of keys
from napari_centermask.widgets.edit.key_names import napari_keys
from napari_centermask.widgets.edit.keys import KEYS


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
    assert dock.painting.redo.toolTip().startswith("Redo deletion")
    edits.select((1, 2))
    dock.tools.buttons["merge"].click()
    assert len(edits.result) == 3
    edits.select((4,))
    dock.tools.buttons["copy_next"].click()
    assert edits.current_plane == (1,)
    assert len(edits.result.plane((1,))) == 1
    dock.active.buttons["accept"].click()
    assert edits.result.get((1,), edits.selected[0]).status == "accepted"


def test_default_keys_are_free_and_each_is_used_once():
    from napari.utils.key_bindings import coerce_keybinding

    meant = {"Ctrl+Z", "Ctrl+Shift+Z", "Escape"}  # what they do for labels, they do for cells
    taken = napari_keys()
    used = [k for a in KEYS.actions.values() for k in (a.key, *a.also) if k]
    bindings = [str(coerce_keybinding(k)) for k in used]
    assert len(set(bindings)) == len(bindings)
    assert {b for b in bindings if b in taken} <= meant
