"""Timers are stopped whatever became of them."""

from __future__ import annotations

import subprocess
import sys

from qtpy.QtCore import QTimer

from napari_centermask.widgets.work.timers import stop

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


def test_a_running_timer_is_stopped(qtbot):
    timer = QTimer()
    timer.start(10_000)
    stop(timer)
    assert not timer.isActive()


def test_a_program_that_ends_with_an_open_viewer_does_not_abort(qapp):
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "ended"), done.stderr[-2000:]
