"""Commands of the menu that segment."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("plugin")


def test_the_menu_command_segments_the_active_image(viewer, engine, qtbot, discs):
    from napari_centermask.widgets.segment.commands import segment_active
    from napari_centermask.widgets.viewer.state import session_of

    viewer.add_image(discs(), name="discs")
    viewer.add_image(discs()[::-1], name="other")
    viewer.layers.selection.active = viewer.layers["discs"]
    segment_active(viewer)
    qtbot.waitUntil(lambda: not session_of(viewer).runner.is_running, timeout=20_000)
    assert "discs cells" in viewer.layers


def test_the_menu_command_on_labels_gives_one_notification(viewer, engine, notices):
    from napari_centermask.widgets.segment.commands import segment_active

    viewer.add_labels(np.eye(16, dtype=np.uint8), name="mine")
    segment_active(viewer)
    assert len(notices()) == 1
    assert "'mine' is a Labels layer" in notices()[0]
