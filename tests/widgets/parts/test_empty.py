"""An empty view says what would fill it."""

from qtpy.QtWidgets import QListWidget

from napari_centermask.widgets.parts.empty import EmptyNote


def test_the_text_is_there_exactly_while_there_are_no_rows(qtbot):
    view = QListWidget()
    qtbot.addWidget(view)
    note = EmptyNote(view, "Nothing yet.")
    view.resize(200, 120)
    view.show()
    assert note.isVisible()
    assert note.size() == view.viewport().size()
    view.addItem("a")
    assert not note.isVisible()
    view.clear()
    assert note.isVisible()
    assert note.text() == "Nothing yet."


def test_a_text_that_depends_on_something_is_asked_for_again(qtbot):
    view, reasons = QListWidget(), iter(["first", "second"])
    qtbot.addWidget(view)
    note = EmptyNote(view, lambda: next(reasons))
    assert note.text() == "first"
    view.clear()
    assert note.text() == "second"
