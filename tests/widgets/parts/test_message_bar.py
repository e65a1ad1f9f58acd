"""A message in a dock that waits for an answer."""

from napari_centermask.widgets.parts.message_bar import MessageBar


def test_an_answer_closes_the_message_and_does_what_it_says(qtbot):
    bar, done = MessageBar(), []
    qtbot.addWidget(bar)
    assert bar.isHidden()
    bar.show_message(
        "Unsaved work.", [("Restore", lambda: done.append("restored")), ("Forget", done.clear)], grave=True
    )
    assert not bar.isHidden()
    assert bar.text.text() == "Unsaved work."
    assert [b.text() for b in bar.buttons] == ["Restore", "Forget"]
    bar.buttons[0].click()
    assert done == ["restored"]
    assert bar.isHidden()
    assert bar.buttons == []


def test_a_message_that_asks_nothing_can_be_closed_and_gives_way_to_the_next(qtbot):
    bar = MessageBar()
    qtbot.addWidget(bar)
    bar.show_message("One.", [("A", list), ("B", list)])
    bar.show_message("Two.")
    assert [b.text() for b in bar.buttons] == ["Close"]
    bar.buttons[0].click()
    assert bar.isHidden()
