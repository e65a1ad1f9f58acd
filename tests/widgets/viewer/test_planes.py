"""Images as planes; no viewer is needed."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_centermask.widgets.viewer.planes import (
    CHANNEL_AXIS,
    ImagePlanes,
    axes_note,
    channel_names,
    guess_channel_axis,
    last_is_channels,
    put_channels_first,
    readings,
)


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


@pytest.fixture
def opened(tmp_path):
    """Writes a TIFF and opens it as napari does."""

    def opened(shape, dtype=np.uint16, **options):
        from napari.layers import Layer
        from napari_builtins.io import napari_get_reader

        path = str(tmp_path / "a.tif")
        tifffile.imwrite(path, (np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype), **options)
        (data,) = napari_get_reader(path)(path)
        from napari.layers._source import layer_source

        with layer_source(path=path, reader_plugin="napari"):
            return Layer.create(data[0], *data[1:])

    return opened


@pytest.mark.parametrize(
    ("shape", "options", "axis", "names"),
    [
        (
            (3, 64, 80),
            {"imagej": True, "metadata": {"axes": "CYX", "Labels": ["DAPI", "GFP", "RFP"]}},
            0,
            "DAPI GFP RFP",
        ),
        ((3, 64, 80), {"ome": True, "metadata": {"axes": "CYX", "Channel": {"Name": ["a", "b", "c"]}}}, 0, "a b c"),
        ((4, 2, 64, 80), {"imagej": True, "metadata": {"axes": "TCYX"}}, 1, "Channel 0,Channel 1"),
        ((3, 64, 80), {"photometric": "minisblack"}, 0, "Channel 0,Channel 1,Channel 2"),
        ((3, 64, 80), {"photometric": "rgb", "planarconfig": "separate"}, 0, "Channel 0,Channel 1,Channel 2"),
        ((3, 64, 80), {"imagej": True, "metadata": {"axes": "ZYX"}}, None, "Grey"),
        ((12, 64, 80), {"photometric": "minisblack"}, None, "Grey"),
    ],
    ids=str,
)
def test_the_channels_of_a_file_are_recognised_with_their_names(opened, shape, options, axis, names):
    layer = opened(shape, **options)
    assert layer.data.shape == shape
    assert guess_channel_axis(layer) == axis
    assert channel_names(layer, channel_axis=axis) == names.split("," if "," in names else " ")
    assert ImagePlanes.of(layer, channel_axis=axis).leading == tuple(n for a, n in enumerate(shape[:-2]) if a != axis)


def test_channels_that_nothing_names_can_be_read_as_planes_again_and_that_stays(opened):
    layer = opened((3, 64, 80), photometric="minisblack")
    assert "Its 3 planes are read as channels" in axes_note(layer, channel_axis=0)
    assert [planes.leading for planes in readings(layer)] == [(), (3,)]
    layer.metadata[CHANNEL_AXIS] = None
    assert guess_channel_axis(layer) is None
    assert axes_note(layer, channel_axis=None) == ""


def test_an_array_in_memory_is_a_stack_until_somebody_says_otherwise():
    from napari.layers import Image

    layer = Image(np.zeros((3, 64, 64), np.uint8))
    assert guess_channel_axis(layer) is None
    assert guess_channel_axis(Image(np.zeros((3, 64, 64)), axis_labels=("c", "y", "x"))) == 0


@pytest.mark.parametrize("n", [2, 5])
def test_channels_that_come_last_are_put_first_without_a_copy(opened, n):
    layer = opened((64, 80, n), photometric="minisblack")
    before = layer.data
    assert last_is_channels(layer)
    assert "seems to hold channels" in axes_note(layer, channel_axis=None)
    put_channels_first(layer)
    assert layer.data.shape == (n, 64, 80)
    assert np.shares_memory(layer.data, before)
    assert guess_channel_axis(layer) == 0
    assert not last_is_channels(layer)
    np.testing.assert_array_equal(
        np.asarray(ImagePlanes.of(layer, channel_axis=0).plane(())), np.moveaxis(before, -1, 0)
    )


def test_the_header_of_a_very_long_stack_is_not_read_while_the_dock_waits(opened, monkeypatch):
    from napari_centermask.widgets.viewer import planes

    monkeypatch.setattr(planes, "_MOST_PAGES", 5)
    layer = opened((3, 2, 64, 80), imagej=True, metadata={"axes": "TCYX"})
    assert guess_channel_axis(layer) is None
