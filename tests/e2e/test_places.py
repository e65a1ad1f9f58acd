"""Tools work where the image is seen: scaled, turned and moved in the world, and in grid mode."""

from __future__ import annotations

import numpy as np
import pytest
from hands import LEFT, NO_KEY, Hands
from qtpy.QtCore import QPoint
from qtpy.QtTest import QTest

from napari_centermask.widgets.edit.actions import begin_new, draw_split
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.viewer.state import session_of

pytestmark = pytest.mark.gui
SHAPE = (120, 160)
PLACES = {
    "in micrometres": {"scale": (0.5, 0.5), "translate": (100, 50), "units": ("um", "um")},
    "turned": {"scale": (0.5, 0.5), "rotate": 30},
    "affine": {"affine": np.array([[0.5, 0.1, 7], [-0.1, 0.4, 3], [0, 0, 1]])},
    "mirrored": {"scale": (-1, 1)},
}


@pytest.fixture
def opened(make_napari_viewer, monkeypatch, tmp_path):
    """Makes a viewer with an image at a place; its correction."""
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    made = []

    def make(**place):
        viewer = make_napari_viewer(show=True)
        image = viewer.add_image(np.zeros(SHAPE, np.uint8), name="image", **place)
        made.append(edit_session_of(session_of(viewer), image))
        made[-1].activate()
        return made[-1]

    yield make
    for edits in made:
        edits.deactivate()
        edits.session.settle()


def middle(cell):
    y0, x0, y1, x1 = cell.box
    return (y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_tools_act_where_the_image_lies(opened, place):
    edits = opened(**place)
    hands = Hands(edits.session.viewer, edits)
    world = edits.source.data_to_world((30, 40))
    for layer in (*edits.shown.own_layers, edits.active.layer):
        np.testing.assert_allclose(layer.data_to_world((30, 40)), world)
    begin_new(edits, "paint")
    edits.active.layer.brush_size = 20
    hands.click(40, 60)
    assert middle(edits.cell) == pytest.approx((40, 60), abs=1)
    assert edits.cell.area == pytest.approx(np.pi * 100, rel=0.15)
    draw_split(edits, "line")
    hands.press_drag([(40, 40), (40, 60), (40, 80)])
    assert len(edits.result) == 2
    hands.key("Escape")
    hands.key("Escape")
    hands.click(46, 60)
    assert middle(edits.cell)[0] > 40


def test_the_brush_paints_under_the_cursor_in_every_field_of_the_grid(opened):
    edits = opened()
    viewer = edits.session.viewer
    grid = getattr(viewer, "canvas", viewer).grid  # napari has it there from 0.9 on
    grid.enabled = True
    hands = Hands(viewer, edits)
    QTest.qWait(100)
    assert grid.actual_shape(viewer.layers) == (2, 2)
    for number, (x, y) in enumerate([(1, 1), (1, 3), (3, 1), (3, 3)], start=1):
        begin_new(edits, "paint")
        field = QPoint(hands.native.width() * x // 4, hands.native.height() * y // 4)
        QTest.mouseMove(hands.native, field)
        QTest.mouseClick(hands.native, LEFT, NO_KEY, field)
        QTest.qWait(30)
        assert len(edits.result) == number
        assert middle(edits.cell) == pytest.approx((SHAPE[0] / 2, SHAPE[1] / 2), abs=2)
