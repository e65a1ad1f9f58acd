"""Removing layers does not end in a crash of the drawing, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

# A segmentation fault in Mesa 22.3.6 where nothing keeps the programs; it takes this and no more.
SCRIPT = """
import numpy as np
from napari import Viewer
from qtpy.QtTest import QTest
from napari_centermask.widgets.viewer.state import session_of

viewer = Viewer(show=True)
session = session_of(viewer) if {with_session} else None
def add():
    viewer.add_labels(np.ones((64, 64), np.uint8))
    QTest.qWait(60)
for _ in range(3):
    add()
    add()
    viewer.layers.pop(0)
    QTest.qWait(60)
    add()
viewer.close()
print("drawn to the end")
"""


def run(with_session: bool) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(with_session=with_session)], capture_output=True, text=True, timeout=120
    )


def test_a_layer_can_be_removed_and_another_added():
    done = run(with_session=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "drawn to the end" in done.stdout


def test_programs_of_removed_layers_are_kept_without_their_textures(make_napari_viewer, qtbot):
    import numpy as np

    from napari_centermask.widgets.viewer.state import session_of

    viewer = make_napari_viewer(show=True)
    session = session_of(viewer)
    layer = viewer.add_labels(np.ones((64, 64), np.uint8))
    visual = viewer.window._qt_viewer.canvas.layer_to_visual[layer]
    program = visual.node._program
    qtbot.waitUntil(lambda: len(program._user_variables) > 0)
    viewer.layers.remove(layer)
    assert program in session.canvas._programs._kept
    assert not program._user_variables
