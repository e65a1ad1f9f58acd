"""The planes of an image and where they lie."""

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadImage
from napari_centermask.io.image_data import check_memory, zeros
from napari_centermask.io.images import read_image, read_plane


def test_planes_of_a_time_series_with_channels_are_named(tmp_path):
    data = np.arange(2 * 3 * 8 * 9, dtype=np.uint16).reshape(2, 3, 8, 9)
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"axes": "TCYX"})
    planes = dict(read_image(tmp_path / "a.tif").planes())
    assert list(planes) == ["T0", "T1"]
    assert np.array_equal(planes["T1"], data[1])


def test_one_plane_of_a_stack(tmp_path):
    stack = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TZYX"})
    assert read_image(path).leading == (2, 3)
    assert np.array_equal(read_plane(path, (1, 2)), stack[1, 2][None])
    for index, message in [((), "only one can be used"), ((2, 0), "has no plane"), ((0,), "has no plane")]:
        with pytest.raises(BadImage, match=message):
            read_plane(path, index)


def test_what_memory_cannot_hold_is_refused_before_it_is_tried(tmp_path):
    check_memory(tmp_path / "a.tif", (1000, 1000), 2)
    with pytest.raises(BadImage, match=r"a.tif has 1000000 x 10000000 pixels by its header, .* GB"):
        check_memory(tmp_path / "a.tif", (10**6, 10**7), 4)
    assert zeros((10**6, 10**6)).strides == (0, 0)
