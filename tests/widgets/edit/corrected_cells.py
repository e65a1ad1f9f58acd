"""An image with a crowd of cells that are corrected, and whether its layers show them."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.compose import Views
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.edit.cell_rows import KEYS
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.drawing import drawing_in
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of


def disc(y, x, radius=10, **fields):
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return Instance.from_mask(np.hypot(yy, xx) <= radius, (y - radius, x - radius), **fields)


def crowd(shape=(96, 128)):
    """Three overlapping discs, and one alone."""
    cells = [disc(30, 30), disc(30, 42), disc(42, 36), disc(70, 100)]
    return Instances(shape, cells)


def correct(viewer, *, leading=(), channels=0, place=None, planes=None):
    """An image with the crowd in the given planes, and its correction."""
    shape = (*leading, *((channels,) if channels else ()), 96, 128)
    source = viewer.add_image(np.zeros(shape, np.uint8), name="image", **(place or {}))
    arrays = ImagePlanes.of(source, channel_axis=len(leading) if channels else None)
    result = Result((96, 128), leading=leading)
    for index in planes if planes is not None else [(0,) * len(leading)]:
        result.put(index, crowd())
    session_of(viewer).attach(source, arrays, result)
    return edit_session_of(session_of(viewer), source)


def views_agree(edits):
    """The layers of every plane show what a full composition of the result shows; the lifted cell is left out."""
    edits.session.compose_all()
    layers = edits.shown.layers
    for index in np.ndindex(*edits.result.leading):
        active = edits.selected[0] if edits.selected and index == edits.current_plane else None
        fresh = Views(edits.result.visible(index), active=active)
        expected = fresh.ids[fresh.top]
        expected[expected == active] = 0
        if not np.array_equal(layers._cells[index], expected):
            return False
        if not np.array_equal(layers._outlines[index], fresh.outlines):
            return False
    return True


def paint(edits, mask_or_points, label=1):
    """Paint as the brush does: by napari's own method."""
    for y, x in mask_or_points:
        edits.active.layer.paint((y, x), label)


def truth(edits, id):
    full = np.zeros(edits.result.shape, bool)
    cell = edits.result.get(edits.current_plane, id)
    y0, x0, y1, x1 = cell.box
    full[y0:y1, x0:x1] = cell.mask
    return full


def drawn(edits, viewer, *points):
    """Draw on the canvas; the layer's own callbacks are tested with the mouse."""
    drawing = drawing_in(viewer)
    drawing.points = [np.array(p, float) for p in points]
    drawing.finish()


def is_disc(cell, y, x, radius=10):
    return (
        abs(cell.area - np.pi * radius**2) < 0.15 * np.pi * radius**2
        and np.abs(np.array(cell.box) - [y - radius, x - radius, y + radius + 1, x + radius + 1]).max() <= 2
    )


def texts(model, key):
    column = KEYS.index(key)
    return [model.data(model.index(n, column)) for n in range(model.rowCount())]


def ids(model):
    return [model.id(n) for n in range(model.rowCount())]
