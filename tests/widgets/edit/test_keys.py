"""The table of keys and its file."""

from __future__ import annotations

import json

from napari_centermask.widgets.edit import action_table  # noqa: F401 - fills the table of keys
from napari_centermask.widgets.edit.keys import KEYS, Keys


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
