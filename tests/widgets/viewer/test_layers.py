"""The layers that show cells: labels, outlines, colours and a table."""

from __future__ import annotations

import numpy as np


def test_run_shows_cells_outlines_and_a_table(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs", scale=(2, 3), translate=(5, 7))
    run_to_end()
    cells, outlines = viewer.layers["discs cells"], viewer.layers["discs outlines"]
    assert sorted(np.unique(cells.data)) == [0, 1, 2, 3]
    assert cells.data.dtype == np.uint16
    assert outlines.data.dtype == np.uint8
    for layer in (cells, outlines):
        assert not layer.editable
        np.testing.assert_array_equal(layer.scale, (2, 3))
        np.testing.assert_array_equal(layer.translate, (5, 7))
    table = cells.features
    assert list(table["index"]) == [1, 2, 3]
    assert {"id", "category", "score", "mask_quality", "area"} <= set(table.columns)
    for row in table.itertuples():
        assert row.area == np.count_nonzero(cells.data == row.index)
    assert "3 cells" in dock.run.status.text()


def test_a_cell_keeps_its_label_when_the_threshold_moves(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    before = viewer.layers["discs cells"].data.copy()
    for value in (90, 50, 65, 40):
        dock.cells.score._slider.setValue(value)
    np.testing.assert_array_equal(viewer.layers["discs cells"].data, before)


def test_colours_by_category_and_by_score(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    cells = viewer.layers["discs cells"]
    dock.cells.colours.setCurrentIndex(1)
    by_category = cells.colormap.map(np.array([1, 2, 3]))
    np.testing.assert_array_equal(by_category[0], by_category[2])
    dock.cells.colours.setCurrentIndex(2)
    by_score = cells.colormap.map(np.array([1, 2, 3]))
    assert not np.array_equal(by_score[0], by_score[2])
    dock.cells.outlines.setChecked(False)
    assert not viewer.layers["discs outlines"].visible
