"""All keys at a glance, by one key."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_centermask.widgets.edit.correction import perform
from napari_centermask.widgets.edit.key_names import pretty_key
from napari_centermask.widgets.edit.keys import KEYS
from napari_centermask.widgets.edit.keys_window import KeysWindow, show_keys
from napari_centermask.widgets.parts.theme import is_light, quiet


def test_the_window_has_the_key_of_every_action(dock):
    window = KeysWindow(dock._viewer.window._qt_window)
    nine = {f"category_{n}" for n in range(2, 10)}
    for name, action in KEYS.actions.items():
        if name not in nine:
            assert pretty_key(KEYS.key(name)) in window.text
            assert action.title in window.text or name == "category_1"
    window.close()


def test_it_follows_a_changed_key(dock):
    window = KeysWindow(dock._viewer.window._qt_window)
    KEYS.set_key("grow", "Shift-F")
    assert "⇧F" in window.text
    window.close()


def test_the_key_opens_it_and_closes_it_again_without_being_in_the_way(dock):
    main = dock._viewer.window._qt_window
    perform(dock.edits, KEYS.actions["keys"])
    window = main.findChild(KeysWindow)
    assert (window.isVisible(), window.isModal()) == (True, False)
    assert window.width() <= max(main.width(), 200)
    QTest.keyClick(window, Qt.Key.Key_F1)
    assert not window.isVisible()
    show_keys(main)
    show_keys(main)
    assert not any(w.isVisible() for w in main.findChildren(KeysWindow))


def test_its_headings_are_readable_after_the_theme_was_changed(dock, qtbot):
    window = KeysWindow(dock._viewer.window._qt_window)
    window.show()
    seen = set()
    for theme in ("light", "dark"):
        dock._viewer.theme = theme
        qtbot.waitUntil(lambda wanted=theme == "light": is_light(window.palette()) == wanted)
        qtbot.waitUntil(lambda: quiet(window.palette()) in window.text)
        seen.add(quiet(window.palette()))
    assert len(seen) == 2
    window.close()
