"""Which part of an image is segmented."""

from __future__ import annotations

import numpy as np


def test_a_drawn_region_replaces_only_cells_centred_in_it(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs", scale=(2, 2))
    run_to_end()
    before = viewer.layers["discs cells"].data.copy()
    dock.image.scope.setCurrentIndex(dock.image.scope.findData("region"))
    assert dock.image.draw.isVisibleTo(dock)
    dock.image.draw.click()
    region = viewer.layers["region"]
    region.add_rectangles(np.array([(0, 0), (0, 60), (60, 60), (60, 0)]))
    run_to_end()
    after = viewer.layers["discs cells"].data
    assert set(np.unique(after)) == {0, 2, 3, 4}
    np.testing.assert_array_equal(after > 0, before > 0)


def test_a_region_without_shapes_gives_one_notification(viewer, dock, run_to_end, discs, notices):
    viewer.add_image(discs(), name="discs")
    dock.image.scope.setCurrentIndex(dock.image.scope.findData("region"))
    run_to_end()
    assert len(notices()) == 1
    assert "Draw" in notices()[0]
