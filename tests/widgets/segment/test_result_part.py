"""The part of the dock that shows the result."""

from __future__ import annotations

import numpy as np


def test_moving_the_threshold_hides_cells_without_a_new_run(viewer, dock, engine, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    calls = engine.calls
    dock.cells.score._slider.setValue(70)
    assert len(np.unique(viewer.layers["discs cells"].data)) - 1 == 2
    dock.cells.score._slider.setValue(40)
    assert len(np.unique(viewer.layers["discs cells"].data)) - 1 == 3
    assert engine.calls == calls
    assert "<b>3</b>" in dock.cells.count.text()


def test_an_image_whose_cells_are_all_drawn_is_run_with_the_models_score(viewer, dock, run_to_end, discs):
    """Images of a project have an empty result before the first run; what is drawn by hand is no threshold either."""
    from napari_centermask.core.instances import Instance, Instances
    from napari_centermask.widgets.viewer.planes import ImagePlanes

    wanted = dock.cells.score.value()
    assert wanted > 0
    for scope in ("plane", "region"):
        layer = viewer.add_image(discs(values=(1.0, 0.8, 0.35)), name=scope)
        shown = dock.session.attach(layer, ImagePlanes.of(layer))
        assert dock.cells.score.value() == wanted
        shown.result.put((), Instances((128, 128), [Instance(0, 5, 5, np.ones((4, 4), bool), status="corrected")]))
        dock.session.changed.emit(layer)
        assert dock.cells.score.value() == wanted
        dock.image.scope.setCurrentIndex(dock.image.scope.findData(scope))
        viewer.add_shapes([[[0, 0], [127, 127]]], shape_type="rectangle")
        run_to_end()
        assert dock.session.result(layer).threshold == wanted
        assert dock.session.result(layer).n_visible() == 3
        assert len(dock.session.result(layer)) == 4


def test_outlines_get_the_colours_of_the_cells_on_request(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    cells, outlines = viewer.layers["discs cells"], viewer.layers["discs outlines"]
    box = dock.cells

    def pairs():
        """(id, value of the outline) where a cell's edge is seen."""
        edge = outlines.data > 0
        return set(zip(cells.data[edge].tolist(), outlines.data[edge].tolist(), strict=True))

    assert {value for _, value in pairs()} == {1}  # the category
    box.own_outlines.click()
    assert len({value for _, value in pairs()}) == 3
    for mode in ("cell", "score", "category"):
        box.colours.setCurrentIndex(box.colours.findData(mode))
        for id, value in pairs():
            np.testing.assert_allclose(outlines.colormap.map(value), cells.colormap.map(id), atol=0.02)
    box.colours.setCurrentIndex(box.colours.findData("cell"))
    box.own_outlines.click()
    assert {value for _, value in pairs()} == {1}
