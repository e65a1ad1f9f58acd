"""Keys are changed in the window of all keys."""

from __future__ import annotations

import json

import pytest

from napari_centermask.widgets.edit.keys import KEYS, BadKey
from napari_centermask.widgets.edit.keys_window import KeysWindow


def test_a_changed_key_works_is_kept_and_clashes_are_refused(dock, keys_file):
    dock.perform("keys")
    box = dock._viewer.window._qt_window.findChild(KeysWindow).keys
    layer = dock.edits.active.layer
    box.change("grow", "Shift-F")
    assert json.loads(keys_file.read_text()) == {"grow": "Shift-F"}
    names = {str(k): f.__name__ for k, f in layer.keymap.items()}
    assert names["Shift+F"] == "grow"
    assert "G" not in names
    box.change("shrink", "J")
    assert "Merge" in box.note.text()
    with pytest.raises(BadKey, match="napari uses"):
        KEYS.set_key("shrink", "P")
    with pytest.raises(BadKey, match="such as"):
        KEYS.set_key("shrink", "nonsense-key")
    box.reset.click()
    assert KEYS.key("grow") == "G"
    assert "G" in {str(k) for k in layer.keymap}
    dock.perform("keys")
