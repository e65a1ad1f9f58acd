"""Connections to signals of every kind end together, a user's error in a slot is a message, and timers are stopped."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest
from napari.utils.events import EmitterGroup
from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QPushButton, QWidget

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.work.connections import Connections, single_shot, stop_timer

# The window is deleted with the program: no event loop ran after `close`.
SCRIPT = """
import numpy as np
from napari import Viewer
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.viewer.state import session_of

viewer = Viewer(show=False)
image = viewer.add_image(np.zeros((8, 8), np.uint8))
edit_session_of(session_of(viewer), image).activate()
print("ended", flush=True)
"""


class Sender:
    sent = Signal(int)


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


def test_a_users_error_in_a_slot_is_a_message_and_any_other_error_passes(qtbot, notices):
    sender, links = Sender(), Connections()

    def fail(error):
        raise error

    links.add(sender.sent, lambda n: fail(UserError("The disk is full.") if n == 1 else ZeroDivisionError()))
    sender.sent.emit(1)
    assert notices() == ["The disk is full."]
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
    owner.deleteLater()
    qtbot.waitUntil(lambda: heard == ["ended"])
    sender.sent.emit(1)
    assert heard == ["ended"]


def test_a_running_timer_is_stopped(qtbot):
    timer = QTimer()
    timer.start(10_000)
    stop_timer(timer)
    assert not timer.isActive()


def test_a_program_that_ends_with_an_open_viewer_does_not_abort(qapp):
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "ended"), done.stderr[-2000:]


def test_a_single_shot_comes_once_after_its_last_start_and_shows_the_error_of_a_user(qtbot, notices):
    owner, calls = QWidget(), []
    qtbot.addWidget(owner)

    def fail():
        calls.append(1)
        raise UserError("Choose another file.")

    timer = single_shot(owner, 20, fail)
    timer.start()
    timer.start()
    qtbot.waitUntil(lambda: bool(calls), timeout=30_000)
    assert not timer.isActive()
    assert calls == [1]
    assert notices() == ["Choose another file."]
