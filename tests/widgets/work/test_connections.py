"""Connections to signals of every kind: they end together, and a user's error in a slot is a message."""

import gc

import pytest
from napari.utils.events import EmitterGroup
from psygnal import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.work.connections import Connections


class Sender:
    sent = Signal(int)


@pytest.fixture
def messages(monkeypatch):
    shown = []
    monkeypatch.setattr("napari.utils.notifications.show_error", shown.append)
    return shown


def test_slots_of_psygnal_qt_and_napari_end_together(qtbot):
    sender, button, events = Sender(), QPushButton(), EmitterGroup(auto_connect=False, removed=None)
    qtbot.addWidget(button)
    heard = []
    links = Connections()
    links.add(sender.sent, heard.append)
    links.add(button.clicked, lambda: heard.append("clicked"))
    links.add(events.removed, lambda event: heard.append("removed"))
    for _ in range(2):
        sender.sent.emit(1)
        button.click()
        events.removed()
        links.end()
    assert heard == [1, "clicked", "removed"]


def test_a_users_error_in_a_slot_is_a_message_and_any_other_error_passes(qtbot, messages):
    sender, links = Sender(), Connections()

    def fail(error):
        raise error

    links.add(sender.sent, lambda n: fail(UserError("The disk is full.") if n == 1 else ZeroDivisionError()))
    sender.sent.emit(1)
    assert messages == ["The disk is full."]
    with pytest.raises(Exception, match="ZeroDivisionError"):
        sender.sent.emit(2)


def test_connections_keep_no_listener_alive():
    class Listener:
        def hear(self, n):
            heard.append(n)

    heard, sender, links = [], Sender(), Connections()
    listener = Listener()
    links.add(sender.sent, listener.hear)
    sender.sent.emit(1)
    del listener
    gc.collect()
    sender.sent.emit(2)
    assert heard == [1]


def test_connections_end_when_qt_deletes_their_owner(qtbot):
    sender, owner, heard = Sender(), QWidget(), []
    links = Connections(owner)
    links.add(sender.sent, lambda n: heard.append(n))
    links.on_end(lambda: heard.append("ended"))
    with qtbot.waitSignal(owner.destroyed):
        owner.deleteLater()
    sender.sent.emit(1)
    assert heard == ["ended"]
