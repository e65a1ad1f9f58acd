"""What the axes of an image are: given, written in the file, or guessed aloud."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tifffile
from made_images import grey

from napari_centermask.core.errors import BadImage
from napari_centermask.io.images import read_header, read_image, read_plane


@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((40, 48, 2), {"photometric": "minisblack"}, "YXC"),
        ((40, 48, 2), {"photometric": "minisblack", "planarconfig": "contig"}, "YXC"),
        ((2, 40, 48), {"photometric": "minisblack", "planarconfig": "separate"}, "CYX"),
        ((200, 210, 6), {"photometric": "minisblack"}, "YXC"),
        ((9, 40, 48, 2), {"photometric": "minisblack"}, "ZYXC"),
        ((40, 48, 3), {"photometric": "rgb"}, "YXS"),
        ((3, 40, 48), {"photometric": "rgb", "planarconfig": "separate"}, "YXS"),
        ((12, 40, 48), {"photometric": "minisblack"}, "ZYX"),
        ((2, 40, 48), {"imagej": True, "metadata": {"axes": "TYX"}}, "TYX"),
    ],
)
def test_channels_are_not_taken_for_pages(tmp_path, shape, options, axes):
    image = grey(shape)
    tifffile.imwrite(tmp_path / "a.tif", image, **options)
    read = read_image(tmp_path / "a.tif")
    assert (read.axes, read.data.size) == (axes, image.size)
    assert read_header(tmp_path / "a.tif").data.shape == read.data.shape


@pytest.mark.parametrize(
    ("shape", "axes", "other"),
    [
        ((40, 48, 2), "YXC", ""),
        ((40, 48, 3), "YXS", ""),
        ((9, 40, 48, 2), "ZYXC", ""),
        ((4, 40, 48), "CYX", "ZYX"),
        ((12, 40, 48), "ZYX", ""),
        ((3, 4, 40, 48), "TCYX", "TZYX"),
        ((2, 12, 40, 48), "CZYX", "TZYX"),
        ((30, 32, 8), "YXC", ""),
        ((3, 9, 2, 40, 48), "TZCYX", "CTZYX"),
        ((2, 3, 9, 40, 48), "CTZYX", "TZCYX"),
    ],
)
def test_arrays_say_what_was_assumed(tmp_path, shape, axes, other):
    np.save(tmp_path / "a.npy", grey(shape))
    read = read_image(tmp_path / "a.npy")
    assert read.axes == axes
    assert read.note == "" if not other else f"--axes {other}" in read.note


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 12, 40, 48), {"photometric": "minisblack"}),
        ((2, 3, 5, 40, 48), {"photometric": "minisblack"}),
        ((1, 5, 40, 48), {"photometric": "minisblack"}),
        ((4, 40, 48), {"photometric": "rgb", "planarconfig": "separate"}),
        ((40, 48, 5), {"photometric": "rgb"}),
    ],
)
def test_what_can_be_read_in_two_ways_says_so_with_a_flag_that_works(tmp_path, shape, options):
    image = grey(shape)
    tifffile.imwrite(tmp_path / "a.tif", image, **options)
    note = read_image(tmp_path / "a.tif").note
    (other,) = re.findall(r"use --axes ([A-Z]+)", note)
    read = read_image(tmp_path / "a.tif", axes=other)
    assert read.axes == other
    assert np.array_equal(read.data, image.squeeze())
    assert read_header(tmp_path / "a.tif", axes=other).data.shape == read.data.shape


def test_colours_can_be_read_as_channels_or_pages(tmp_path):
    image = grey((3, 40, 48))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", planarconfig="separate")
    assert np.array_equal(read_image(tmp_path / "a.tif", axes="CYX").data, image)
    assert read_image(tmp_path / "a.tif", axes="ZYX").leading == (3,)
    assert read_image(tmp_path / "a.tif", axes="SYX").axes == "YXS"


@pytest.mark.parametrize("name", ["a.npy", "a.tif"])
def test_axes_that_are_given_go_before_everything(tmp_path, name):
    image = grey((4, 40, 48))
    np.save(tmp_path / "a.npy", image)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack")
    assert read_image(tmp_path / name, axes="zyx").leading == (4,)
    assert read_image(tmp_path / name, axes="CYX").leading == ()
    with pytest.raises(BadImage, match="a letter for each axis"):
        read_image(tmp_path / name, axes="YX")
    with pytest.raises(BadImage, match="one letter"):
        read_image(tmp_path / name, axes="QYX")


@pytest.mark.parametrize(("n", "axes"), [(2, "CYX"), (3, "CYX"), (5, "CYX"), (6, "ZYX"), (20, "ZYX")])
def test_a_tiff_of_few_unnamed_planes_has_channels_and_says_so(tmp_path, n, axes):
    tifffile.imwrite(tmp_path / "a.tif", grey((n, 40, 48)), photometric="minisblack")
    read = read_image(tmp_path / "a.tif")
    assert read.axes == axes
    assert ("use --axes ZYX" in read.note) == (axes == "CYX")
    assert read.other_axes == {2: "ZYX", 3: "ZYX", 5: "ZYX", 6: "CYX", 20: ""}[n]


def test_a_stack_that_its_file_names_remains_a_stack(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", grey((3, 40, 48)), imagej=True, metadata={"axes": "ZYX"})
    read = read_image(tmp_path / "a.tif")
    assert (read.axes, read.note, read.leading) == ("ZYX", "", (3,))


@pytest.mark.parametrize("name", ["a.npy", "a.tif"])
def test_cells_that_were_drawn_on_planes_find_planes(tmp_path, name):
    image = grey((3, 40, 48))
    np.save(tmp_path / "a.npy", image)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack")
    path = tmp_path / name
    assert read_image(path).leading == ()
    assert read_image(path, leading=(3,)).leading == (3,)
    assert read_header(path, leading=(3,)).leading == (3,)
    assert read_image(path, leading=(7,)).leading == ()
    assert np.array_equal(read_plane(path, (2,)), image[2:])
    assert np.array_equal(read_plane(path), image)
