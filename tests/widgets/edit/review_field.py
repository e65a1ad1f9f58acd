"""Cells to review, some of them doubtful, and what the review dock shows of them."""

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_centermask.core.instances import Instance

SHAPE = (120, 160)


def cell(id, y, x, radius=8, **fields):
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    fields.setdefault("score", 0.95)
    return Instance.from_mask(np.hypot(yy, xx) <= radius, (y - radius, x - radius), id=id, **fields)


FIELD = (
    cell(1, 20, 20),
    cell(2, 20, 60, score=0.5),
    cell(3, 60, 20, score=0.6),
    cell(4, 60, 60, status="accepted"),
    cell(5, 100, 100, score=0.7),
)


def status(dock, id, plane=()):
    return dock.edits.result.get(plane, id).status


def listed(dock):
    model = dock.cells.table.cells
    return [model.id(n) for n in range(model.rowCount())]


def click(table, place):
    at = table.visualRect(table.cells.index(place, 0)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
