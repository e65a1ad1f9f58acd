"""Series and stacks of discs in the tracks dock."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.viewer.planes import ImagePlanes

SHAPE = (90, 120)


def disc(y, x, radius):
    yy, xx = np.mgrid[: 2 * radius + 1, : 2 * radius + 1] - radius
    return Instance(0, y - radius, x - radius, yy**2 + xx**2 <= radius**2, status="accepted")


@pytest.fixture
def open_dock(viewer, qtbot):
    """A tracks dock on an image with discs (y, x, radius) in each of its planes; ids count from 1."""
    from napari_centermask.widgets.tracks.dock import TracksDock
    from napari_centermask.widgets.viewer.state import session_of

    docks = []

    def opened(*planes, leading=None, **layer):
        leading = leading or (len(planes),)
        image = viewer.add_image(np.zeros((*leading, *SHAPE), np.float32), name="series", **layer).__wrapped__
        result = Result(SHAPE, leading=leading, name="series.tif")
        for index, cells in zip(np.ndindex(*leading), planes, strict=True):
            result.put(index, Instances(SHAPE, [disc(*cell) for cell in cells]))
        session_of(viewer).attach(image, ImagePlanes.of(image), result)
        dock = TracksDock(viewer)
        viewer.window.add_dock_widget(dock, name="Tracks")
        docks.append(dock)
        return dock

    yield opened
    for dock in docks:
        dock.tool.end()
        dock.refresh()
        qtbot.waitUntil(lambda dock=dock: not dock.overview.is_busy, timeout=30_000)
        session_of(viewer).settle()
