"""Keys are changed in the dock."""

from __future__ import annotations

import json

import pytest

from napari_centermask.widgets.edit.keys import KEYS, BadKey


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
