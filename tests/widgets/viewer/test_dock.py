"""The base of all docks: what one connects ends with it, also when it could not be built."""

import numpy as np
import pytest
from qtpy.QtWidgets import QLabel

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.edit.dock import CorrectDock
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.viewer.state import session_of


def listeners(viewer):
    """How many slots hear the session and the layer list."""
    events = viewer.__wrapped__.layers.events
    emitters = (events.inserted, events.removed, events.reordered, viewer.__wrapped__.layers.selection.events.active)
    return len(session_of(viewer).changed), [len(e.callbacks) for e in emitters]


class HalfBuilt(CorrectDock):
    def _connect(self):
        super()._connect()
        raise RuntimeError("half-built")


def test_a_dock_that_cannot_be_built_leaves_nothing_behind(viewer, qtbot):
    before = listeners(viewer)
    with pytest.raises(RuntimeError, match="half-built"):
        HalfBuilt(viewer)
    qtbot.waitUntil(lambda: listeners(viewer) == before, timeout=5000)


def test_a_dock_that_is_deleted_leaves_nothing_behind(viewer, qtbot):
    before = listeners(viewer)
    dock = CorrectDock(viewer)
    assert listeners(viewer) != before
    with qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()
    qtbot.waitUntil(lambda: listeners(viewer) == before, timeout=5000)


def test_a_users_error_in_a_slot_of_a_dock_is_a_notification(viewer, qtbot, notices):
    class Failing(Dock):
        title = "Failing"

        def _set_up(self):
            QLabel("empty", self)
            self.links.add(session_of(self._viewer).changed, self._on_changed)

        def _on_changed(self, source):
            raise UserError("The disk is full. Make room.")

    dock = Failing(viewer)
    viewer.window.add_dock_widget(dock)
    session_of(viewer).changed.emit(viewer.add_image(np.zeros((9, 9))).__wrapped__)
    assert notices()[-1] == "The disk is full. Make room."
