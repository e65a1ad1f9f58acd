"""Hints for beginners are put away for good, one by one or all, and come back."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_centermask.core.errors import CannotSave
from napari_centermask.widgets.parts.first_hint import FirstHint
from napari_centermask.widgets.parts.help import show_page
from napari_centermask.widgets.parts.put_away import PUT_AWAY, PutAway


@pytest.fixture(autouse=True)
def _shown(hints):
    hints.undo()


def made(qtbot, name):
    hint = FirstHint(name, "Click a cell.")
    qtbot.addWidget(hint)
    hint.refresh()
    return hint


def test_got_it_is_remembered_for_this_hint_alone(qtbot):
    hint = made(qtbot, "Correct")
    assert hint.isVisible()
    qtbot.mouseClick(hint.done, Qt.MouseButton.LeftButton)
    assert not hint.isVisible()
    assert "Correct" in PutAway()
    assert not made(qtbot, "Correct").isVisible()
    assert made(qtbot, "Review").isVisible()


def test_all_hints_go_with_one_click_and_come_back_from_the_help_window(qtbot):
    one, other = made(qtbot, "Correct"), made(qtbot, "Review")
    PUT_AWAY.changed.connect(one.refresh)
    qtbot.mouseClick(other.none, Qt.MouseButton.LeftButton)
    assert not one.isVisible()
    assert "anything" in PUT_AWAY
    window = QWidget()
    qtbot.addWidget(window)
    shown = show_page("correct", window)
    qtbot.mouseClick(shown.hints, Qt.MouseButton.LeftButton)
    PUT_AWAY.changed.disconnect(one.refresh)
    assert one.isVisible()
    assert made(qtbot, "Review").isVisible()


def test_a_hint_goes_even_if_that_cannot_be_saved(qtbot, monkeypatch, notices):
    hint = made(qtbot, "Correct")

    def refuse(self, names):
        raise CannotSave("The disk is full.")

    monkeypatch.setattr(PutAway, "_write", refuse)
    with qtbot.captureExceptions() as errors:
        qtbot.mouseClick(hint.done, Qt.MouseButton.LeftButton)
    assert not errors
    assert not hint.isVisible()
    assert notices() == ["The disk is full."]


def test_a_damaged_file_puts_nothing_away():
    PUT_AWAY.path.parent.mkdir(parents=True, exist_ok=True)
    for text in ("{", "[]", '{"put_away": 3}', '{"put_away": [3]}'):
        PUT_AWAY.path.write_text(text, encoding="utf-8")
        assert "Correct" not in PUT_AWAY
