"""Colour models are read alike whatever the format."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from made_images import grey
from PIL import Image

from napari_centermask.core.errors import BadImage
from napari_centermask.io.formats.labels import read as read_labels
from napari_centermask.io.images import read_header, read_image, read_plane


def test_colour_models_are_read_alike_in_all_formats(tmp_path):
    cmyk = np.dstack([np.full((8, 9), v, np.uint8) for v in (200, 100, 0, 50)])
    picture = Image.fromarray(cmyk, "CMYK")
    expected = np.array(picture.convert("RGB"))
    picture.save(tmp_path / "pillow.tif")
    tifffile.imwrite(tmp_path / "a.tif", cmyk, photometric="separated")
    tifffile.imwrite(tmp_path / "b.tif", cmyk.astype(np.uint16) * 257, photometric="separated")
    for name, scale in (("pillow.tif", 1), ("a.tif", 1), ("b.tif", 257)):
        image = read_image(tmp_path / name)
        assert image.axes == "YXS"
        assert np.abs(image.data / scale - expected).max() <= 1
        assert read_header(tmp_path / name).data.shape == (8, 9, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_is_turned_round(tmp_path, dtype):
    image = grey(dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", np.iinfo(dtype).max - image, photometric="miniswhite")
    assert np.array_equal(read_plane(tmp_path / "a.tif")[0], image)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_a_palette_is_colour_in_an_image_and_labels_in_a_label_image(tmp_path, name):
    labels = np.zeros((40, 48), np.uint8)
    labels[5:15, 5:15], labels[20:30, 20:35] = 1, 2
    picture = Image.fromarray(labels, "P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.axes == "YXS"
    assert image.data[10, 10].tolist() == [255, 0, 0]
    assert read_header(tmp_path / name).data.shape == image.data.shape
    (result,) = read_labels(tmp_path / name).results
    assert sorted(cell.area for cell in result) == [100, 150]


@pytest.mark.parametrize("factor", [1, 256, 257])
def test_palettes_of_all_writers_have_the_same_colours(tmp_path, factor):
    table = np.zeros((3, 256), np.uint16)
    table[0] = np.arange(256) * factor
    indices = grey()
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=table)
    assert np.array_equal(read_image(tmp_path / "a.tif").data[..., 0], indices)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_opacity_is_no_channel(tmp_path, name):
    image = grey()
    Image.merge("LA", [Image.fromarray(image), Image.new("L", (48, 40), 255)]).save(tmp_path / name)
    read = read_image(tmp_path / name)
    assert read.axes == "YX"
    assert np.array_equal(read.data, image)
    assert read_header(tmp_path / name).data.shape == read.data.shape


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.npy"])
def test_opacity_beside_colours_is_no_channel(tmp_path, name):
    image = np.random.default_rng(0).integers(0, 255, (48, 40, 4), np.uint8)
    if name == "a.npy":
        np.save(tmp_path / name, image)
    else:
        Image.fromarray(image, "RGBA").save(tmp_path / name)
    read = read_image(tmp_path / name)
    assert read.axes == "YXS"
    assert np.array_equal(read.data, image[..., :3])
    assert read_header(tmp_path / name).data.shape == read.data.shape


def test_four_channels_that_look_like_opacity_are_read_on_request(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (48, 40, 4), np.uint8)
    np.save(tmp_path / "a.npy", image)
    assert "--axes YXC" in read_image(tmp_path / "a.npy").note
    assert np.array_equal(read_image(tmp_path / "a.npy", axes="YXC").data, image)


def test_inks_as_real_numbers_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((8, 9, 4), np.float32), photometric="separated")
    with pytest.raises(BadImage, match=r"SEPARATED in float32.*Convert it to RGB"):
        read_image(tmp_path / "a.tif")
