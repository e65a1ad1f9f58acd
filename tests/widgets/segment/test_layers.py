"""The layers that the dock lays over an image."""

from __future__ import annotations

import numpy as np


def test_the_circle_has_the_diameter_in_pixels_of_the_image(viewer, dock, discs):
    viewer.add_image(discs(), name="discs", scale=(0.5, 0.5))
    dock.model.diameter.setValue(24)
    dock.model.circle.setChecked(True)
    circle = viewer.layers["cell diameter"]
    np.testing.assert_allclose(np.ptp(circle.data[0], axis=0), (24, 24))
    np.testing.assert_array_equal(circle.scale, (0.5, 0.5))
    dock.model.diameter.setValue(40)
    np.testing.assert_allclose(np.ptp(viewer.layers["cell diameter"].data[0], axis=0), (40, 40))
    dock.model.circle.setChecked(False)
    assert "cell diameter" not in viewer.layers
