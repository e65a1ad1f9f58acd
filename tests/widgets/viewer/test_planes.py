"""Images as planes; no viewer is needed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.widgets.viewer.planes import ImagePlanes


@pytest.mark.parametrize("lazy", [False, True])
def test_planes_come_channels_first_whatever_the_axes(lazy):
    data = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    if lazy:
        from dask.array import from_array

        source = from_array(data)
    else:
        source = data
    planes = ImagePlanes(source, channel_axis=1)
    assert (planes.shape, planes.leading, planes.n_channels) == ((5, 6), (2, 4), 3)
    np.testing.assert_array_equal(np.asarray(planes.plane((1, 2))), data[1, :, 2])
    assert len(planes.indices()) == 8
    rgb = ImagePlanes(source[0, 0, :, :, :4], rgb=True)
    assert (rgb.shape, rgb.n_channels) == ((4, 5), 3)
    np.testing.assert_array_equal(np.asarray(rgb.plane(())), data[0, 0, :, :, :3].transpose(2, 0, 1))
