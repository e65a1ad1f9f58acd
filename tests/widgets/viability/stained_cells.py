"""Cells that are dead with some probability, and what the viability dock shows of them."""

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QStyle, QStyleOptionSlider

from napari_centermask.core.instances import Instance
from napari_centermask.widgets.parts.colours import category_colour

SHAPE = (120, 160)
KINDS = {1: "live", 2: "dead"}
LIVE, DEAD = 1, 2


def disc(id, y, x, p=None, radius=8, **fields):
    """A cell that is dead with the probability p."""
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    fields.setdefault("score", 0.95)
    fields.setdefault("category", 1 if p is None or p < 0.5 else 2)
    probabilities = () if p is None else (1 - p, p)
    mask = np.hypot(yy, xx) <= radius
    return Instance.from_mask(mask, (y - radius, x - radius), id=id, probabilities=probabilities, **fields)


def field(first=0):
    """Six cells: four that follow, one that a person categorised, one without probabilities."""
    return [
        disc(first + 1, 20, 20, 0.1),
        disc(first + 2, 20, 60, 0.4),
        disc(first + 3, 60, 20, 0.62),
        disc(first + 4, 60, 60, 0.95),
        disc(first + 5, 100, 60, 0.95, category=1, status="corrected"),
        disc(first + 6, 100, 100),
    ]


def kinds(dock, plane=()):
    return [c.category for c in dock.viability.edits.result.plane(plane)]


def _move(slider, place):
    """Move the mouse with the button down; with Qt 5, `QTest.mouseMove` moves the screen's cursor alone."""
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    where, on_screen = QPointF(place), QPointF(slider.mapToGlobal(place))
    QApplication.sendEvent(slider, QMouseEvent(QEvent.Type.MouseMove, where, on_screen, left, left, none))


def handle(slider):
    """The middle of a slider's handle."""
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    style = slider.style()
    box = style.subControlRect(QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, slider)
    return box.center()


def drag(dock, *values, release=True):
    """Drag the slider's handle with the mouse over these values; returns the last place."""
    slider = dock.threshold.slider._slider
    place = handle(slider)
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=place)
    for value in values:
        step = 1 if value * 100 > slider.value() else -1
        for _ in range(2000):
            if slider.value() == round(value * 100):
                break
            place += QPoint(step, 0)
            _move(slider, place)
        assert slider.value() == pytest.approx(100 * value, abs=2)
    if release:
        QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=place)
    return place


def shown(dock, plane=()):
    """What each cell of a plane is by its colour: in its middle, and on its edge."""
    layer, chosen = dock.viability.layer.layer, dock.viability.edits.result.colours
    names = []
    for cell in dock.viability.edits.result.plane(plane):
        y, x = cell.y0 + cell.mask.shape[0] // 2, cell.x0 + cell.mask.shape[1] // 2
        values = layer.data[plane][[y, cell.y0], [x, x]]
        colours = layer.colormap.map(values)
        named = [
            next((k for k in (*KINDS, 3) if np.allclose(c[:3], category_colour(k, chosen)[:3], atol=1e-4)), "mixed")
            for c in colours
        ]
        assert named[1] != "mixed"
        names.append(named[0] if named[0] == named[1] else tuple(named))
    return names
