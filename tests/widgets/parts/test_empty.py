"""An empty view says what would fill it."""

import gc
import weakref

from qtpy.QtWidgets import QListWidget, QVBoxLayout, QWidget

from napari_centermask.widgets.parts.empty import EmptyNote


class Box(QWidget):
    """A list whose note says something else each time."""

    def __init__(self):
        super().__init__()
        self.texts = ["second", "first"]
        self.list = QListWidget()
        QVBoxLayout(self).addWidget(self.list)
        EmptyNote(self.list, self.say)

    def say(self):
        return self.texts.pop()


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
    box = Box()
    qtbot.addWidget(box)
    note = box.list.viewport().findChild(EmptyNote)
    assert note.text() == "first"
    box.list.clear()
    assert note.text() == "second"


def test_a_note_does_not_keep_its_widgets_alive(qtbot):
    """Else they are freed by the garbage collector, perhaps in another thread, where Qt crashes."""
    gc.disable()
    try:
        box = weakref.ref(Box())
        assert box() is None
    finally:
        gc.enable()
