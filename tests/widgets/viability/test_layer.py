"""The layer of colours."""

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from stained_cells import DEAD, KINDS, LIVE, SHAPE, disc, drag, field, kinds, shown

from napari_centermask.core.instances import Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of


def test_the_pixels_of_the_canvas_change_colour_while_the_slider_moves(make_napari_viewer, qtbot):
    from napari_centermask.widgets.viability.dock import ViabilityDock

    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(np.zeros(SHAPE, np.float32), name="field")
    result = Result(SHAPE, name="field")
    result.put((), Instances(SHAPE, [disc(1, 60, 80, 0.7, radius=30)], categories=KINDS), keep_ids=True)
    session_of(viewer).attach(image, ImagePlanes.of(image), result)
    dock = ViabilityDock(viewer)
    viewer.window.add_dock_widget(dock, name="Viability")
    viewer.reset_view()

    def middle():
        picture = viewer.screenshot(flash=False)
        return picture[picture.shape[0] // 2, picture.shape[1] // 2, :3] / 255 / 0.45

    np.testing.assert_allclose(middle(), category_colour(DEAD)[:3], atol=0.03)
    place = drag(dock, 0.8, release=False)
    np.testing.assert_allclose(middle(), category_colour(LIVE)[:3], atol=0.03)
    QTest.mouseRelease(dock.threshold.slider._slider, Qt.MouseButton.LeftButton, pos=place)
    np.testing.assert_allclose(middle(), category_colour(LIVE)[:3], atol=0.03)
    dock.threshold.colours.setCurrentIndex(dock.threshold.colours.findData("before"))
    dock.threshold.colours.activated.emit(2)
    left = ["field", "field cells", "field outlines", "field active cell"]
    qtbot.waitUntil(lambda: [layer.name for layer in viewer.layers] == left, timeout=5000)
    assert all(layer.visible for layer in viewer.layers)
    session_of(viewer).settle()
    dock.refresh()


def test_as_a_probability_the_fill_goes_from_one_colour_to_the_other(viewer, open_dock):
    dock = open_dock({(): field()})
    dock.threshold.colours.setCurrentIndex(dock.threshold.colours.findData("probability"))
    dock.threshold.colours.activated.emit(1)
    layer = dock.viability.layer.layer
    fills = layer.colormap.map(layer.data[[20, 20, 60, 60, 100, 100], [20, 60, 20, 60, 60, 100]])[:, :3]
    live, dead = category_colour(LIVE)[:3], category_colour(DEAD)[:3]
    distance = [np.abs(f - live).sum() - np.abs(f - dead).sum() for f in fills]
    assert distance[0] < distance[1] < distance[2] < distance[3]
    assert distance[0] < 0 < distance[3]
    np.testing.assert_allclose(fills[[4, 5]], [live, live], atol=1e-4)
    before = fills.copy()
    drag(dock, 0.2)
    fills = layer.colormap.map(layer.data[[20, 20, 60, 60, 100, 100], [20, 60, 20, 60, 60, 100]])[:, :3]
    np.testing.assert_allclose(fills, before, atol=1e-6)
    assert [s[1] if isinstance(s, tuple) else s for s in shown(dock)] == [1, 2, 2, 2, 1, 1]


def test_the_colours_lie_above_the_image_and_below_the_cell_that_is_painted(viewer, open_dock, qtbot):
    open_dock({(): field()})
    qtbot.waitUntil(lambda: "field active cell" in viewer.layers)  # comes in a turn of its own
    names = [layer.name for layer in viewer.layers]
    assert names == ["field", "field cells", "field outlines", "field viability", "field active cell"]


def test_painting_and_splitting_are_drawn_at_once(viewer, open_dock):
    dock = open_dock({(): field()})
    edits = dock.viability.edits
    edits.select((4,))
    edits.run_tool("grow", n=3)
    edits.select(())
    grown = edits.result.get((), 4)
    codes = dock.viability.layer.layer.data
    assert grown.status == "corrected"
    assert (codes[grown.y0 : grown.box[2], grown.x0 : grown.box[3]][grown.mask] > 0).all()
    edits.undo()
    small = edits.result.get((), 4)
    assert (codes[small.y0 - 3, :] == 0).all()
    assert shown(dock) == kinds(dock)


def test_a_volume_is_coloured_plane_by_plane(viewer, open_dock, qtbot):
    dock = open_dock({(k,): field(10 * k) for k in range(4)}, leading=(4,))
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: not dock.viability.layer._timer.isActive(), timeout=5000)
    for k in range(4):
        assert shown(dock, (k,)) == [1, 1, 2, 2, 1, 1]
    viewer.dims.ndisplay = 2


def test_the_colours_go_with_the_layer_that_the_user_removes_and_come_back(viewer, open_dock):
    dock = open_dock({(): field()})
    assert not viewer.layers["field cells"].visible
    viewer.layers.remove("field viability")
    assert viewer.layers["field cells"].visible
    drag(dock, 0.3)
    assert kinds(dock) == [1, 2, 2, 2, 1, 1]
    dock.threshold.colours.activated.emit(0)
    assert shown(dock) == kinds(dock)
