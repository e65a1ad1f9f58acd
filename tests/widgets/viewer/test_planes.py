"""Images as planes; no viewer is needed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.widgets.viewer.planes import ImagePlanes, axes_note


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


@pytest.mark.parametrize(
    ("shape", "labels", "channel_axis", "says"),
    [
        ((64, 64), None, None, ""),
        ((20, 64, 64), None, None, ""),
        ((3, 64, 64), None, None, "Axis 0 is read as 3 planes. If it holds channels, choose it under 'Channel axis'."),
        ((3, 64, 64), None, 0, ""),
        ((3, 64, 64), ("z", "y", "x"), None, ""),
        ((64, 80, 2), None, None, "The last axis is read as the width, with 2 pixels."),
    ],
    ids=str,
)
def test_an_image_without_names_of_its_axes_says_how_it_is_read(shape, labels, channel_axis, says):
    from napari.layers import Image

    layer = Image(np.zeros(shape, np.uint8), axis_labels=labels, rgb=False)
    note = axes_note(layer, channel_axis=channel_axis)
    assert note.startswith(says)
    assert bool(note) == bool(says)


def test_an_image_of_a_project_says_how_its_file_was_read(tmp_path):
    from napari_centermask.io.images import read_image
    from napari_centermask.widgets.project.loading import image_layer

    np.save(tmp_path / "a.npy", np.zeros((4, 64, 64), np.uint8))
    layer, planes = image_layer(read_image(tmp_path / "a.npy"), name="a")
    note = axes_note(layer, channel_axis=planes.channel_axis)
    assert note == "The file does not name its axes: 4 x 64 x 64 was read as CYX."
