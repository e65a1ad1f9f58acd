"""How keys are written by Qt, by napari and for a person."""

from __future__ import annotations

import pytest

from napari_centermask.widgets.edit.key_names import napari_name, pretty_key


@pytest.mark.parametrize(
    ("qt", "napari", "shown"),
    [("Ctrl+Shift+G", "Control-Shift-G", "Ctrl ⇧G"), ("PgUp", "PageUp", "PgUp"), (",", ",", ","), ("K", "K", "K")],
)
def test_key_names(qt, napari, shown):
    assert napari_name(qt) == napari
    assert pretty_key(napari) == shown
