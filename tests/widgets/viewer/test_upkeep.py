"""Planes out of view follow."""

from __future__ import annotations

import numpy as np


def test_the_threshold_reaches_every_slice(viewer, dock, run_to_end, qtbot, discs):
    viewer.add_image(np.stack([discs()] * 12), name="discs")
    run_to_end()
    dock.cells.score._slider.setValue(70)
    qtbot.waitUntil(lambda: not dock.session._upkeep._composing.isActive(), timeout=10_000)
    assert [len(np.unique(p)) - 1 for p in viewer.layers["discs cells"].data] == [2] * 12
