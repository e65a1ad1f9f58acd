"""Microscopes' files through bioio: LIF and ND2 that are made here, and images that stand for those of other plugins."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from napari_centermask.core.errors import BadImage, MissingExtra
from napari_centermask.io import bio
from napari_centermask.io.image_files import image_files, images_in
from napari_centermask.io.images import read_channel_names, read_header, read_image

bioio = pytest.importorskip("bioio")


def test_images_of_a_lif_are_read_with_channels_and_pixel_sizes(lif):
    path, stack, plane = lif(pixel_um=0.25)
    assert image_files(path) == [path / "Series 1", path / "Series_2_x"]
    one, two = map(read_image, image_files(path))
    np.testing.assert_array_equal(one.data, stack)
    np.testing.assert_array_equal(two.data, plane)
    assert (one.axes, one.channel_names, one.pixel_size_um) == ("CZYX", ("Green", "Red"), pytest.approx(0.25))
    assert (two.axes, two.name) == ("YX", "slide_Series_2_x")
    assert read_channel_names(path / "Series 1") == ["Green", "Red"]


def test_a_stack_of_an_nd2_is_read_with_channels_and_pixel_size(nd2):
    path, stack = nd2(pixel_um=0.25)
    assert image_files(path) == [path]
    image = read_image(path)
    np.testing.assert_array_equal(image.data, stack.transpose(1, 0, 2, 3))
    assert (image.axes, image.name, image.channel_names) == ("CZYX", "cells", ("DAPI", "GFP"))
    assert image.pixel_sizes_um == (0.25, 0.25)
    header = read_header(path)
    assert (header.data.shape, header.data.dtype) == (image.data.shape, np.uint16)
    assert not any(header.data.strides)


def test_an_nd2_without_calibration_has_no_pixel_size(nd2):
    assert read_image(nd2(pixel_um=None)[0]).pixel_sizes_um is None


def test_a_header_takes_no_pixels_and_agrees(lif):
    path, stack, _ = lif()
    header = read_header(path / "0")
    assert (header.data.shape, header.data.dtype, header.axes) == (stack.shape, np.uint8, "CZYX")
    assert header.data.base is not None
    assert not any(header.data.strides)


def test_scenes_are_chosen_by_name_or_number(lif):
    path, _, _ = lif()
    assert image_files(path, scenes=["Series_2_x"]) == image_files(path, scenes=["1"]) == [path / "Series_2_x"]
    assert image_files(path / "Series 1", scenes=["1"]) == [path / "Series 1"]
    with pytest.raises(BadImage, match="has no image 2, but Series 1, Series_2_x"):
        image_files(path, scenes=["2"])
    with pytest.raises(BadImage, match=r"holds 2 images.*--scenes.*slide\.lif/Series 1"):
        read_image(path)


def test_a_folder_gives_each_image_of_each_file(lif, tmp_path):
    path, *_ = lif()
    np.save(tmp_path / "a.npy", np.zeros((20, 20), np.uint8))
    assert image_files(tmp_path) == [tmp_path / "a.npy", path / "Series 1", path / "Series_2_x"]


def test_a_file_that_changed_is_read_again(lif):
    path, *_ = lif()
    assert read_image(path / "1").plane_shape == (40, 50)
    lif(shape=(24, 30))
    assert read_image(path / "1").plane_shape == (24, 30)


@pytest.mark.parametrize("content", [b"nonsense", b"\x70\x00\x00\x00" + bytes(40)])
def test_a_damaged_file_is_refused_with_its_name(lif, tmp_path, content):
    (tmp_path / "bad.lif").write_bytes(content)
    with pytest.raises(BadImage, match=r"bad\.lif cannot be read"):
        read_image(tmp_path / "bad.lif")


def test_a_missing_plugin_is_named_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(bio, "readable", lambda: frozenset({".lif"}))
    for name in ("a.czi", "b.nd2"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(MissingExtra, match=r"pip install 'napari-centermask\[bioio\]' bioio-czi"):
        read_image(tmp_path / "a.czi")
    with pytest.raises(MissingExtra, match=r"pip install 'napari-centermask\[bioio\]'$"):
        read_image(tmp_path / "b.nd2")


def test_files_that_no_plugin_reads_are_left_out_of_a_folder_aloud(tmp_path, monkeypatch):
    monkeypatch.setattr(bio, "readable", frozenset)
    monkeypatch.setattr("napari_centermask.io.image_files.readable", frozenset)
    (tmp_path / "a.czi").write_bytes(b"x")
    np.save(tmp_path / "a.npy", np.zeros((20, 20), np.uint8))
    said = []
    assert image_files(tmp_path, said.append) == [tmp_path / "a.npy"]
    assert "1 file of microscopes (a.czi)" in said[0]
    (tmp_path / "a.npy").unlink()
    with pytest.raises(BadImage, match="bioio-czi"):
        image_files(tmp_path)
    assert images_in(tmp_path).unread == (tmp_path / "a.czi",)


@pytest.fixture
def czi(tmp_path, monkeypatch):
    """Factory of a file whose plugin gives an array with these axes: `czi(data, "TCZYX", names, sizes)`."""

    def make(data, axes, names=None, sizes=(None, None, None)):
        image = bioio.BioImage(
            data, dim_order=axes, channel_names=names, physical_pixel_sizes=bioio.PhysicalPixelSizes(*sizes)
        )
        monkeypatch.setattr(bio, "readable", lambda: frozenset({".czi"}))
        monkeypatch.setattr(bio, "_opened", lambda *_: image)
        (tmp_path / "a.czi").write_bytes(b"x")
        return read_image(tmp_path / "a.czi")

    return make


def test_axes_of_length_one_are_left_out_and_all_others_stay(czi):
    data = np.arange(2 * 3 * 4 * 10 * 12, dtype=np.uint16).reshape(2, 3, 4, 10, 12)
    image = czi(data, "TCZYX", ["a", "b", "c"], (1.0, 0.5, 0.25))
    assert (image.axes, image.channel_names, image.pixel_sizes_um) == ("TCZYX", ("a", "b", "c"), (0.5, 0.25))
    np.testing.assert_array_equal(image.data, data)
    image = czi(data[:1, :, :1], "TCZYX")
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.data, data[0, :, 0])


def test_names_that_do_not_tell_channels_apart_are_not_taken(czi):
    data = np.zeros((2, 10, 12), np.uint8)
    assert czi(data, "CYX", ["EGFP", "EGFP"]).channel_names == ()
    assert czi(data, "CYX", ["EGFP", "DAPI"]).pixel_sizes_um is None


@pytest.mark.parametrize(("samples", "axes"), [(3, "YXS"), (4, "YXS"), (2, "YXC")])
def test_samples_are_colours_without_opacity_or_else_channels(czi, samples, axes):
    image = czi(np.zeros((10, 12, samples), np.uint8), "YXS")
    assert (image.axes, image.data.shape[-1]) == (axes, min(samples, 3))


def test_axes_without_a_name_of_ours_are_reported(czi):
    image = czi(np.zeros((5, 10, 12), np.uint8), "HYX")
    assert image.axes == "YX"
    assert "has the axes H (5), too: the first of each was read" in image.note


def test_an_image_beyond_the_memory_is_refused_before_it_is_read(czi):
    import dask.array

    with pytest.raises(BadImage, match="of memory"):
        czi(dask.array.zeros((10**6, 10**5, 10**3), np.uint8, chunks=(1, 10**5, 10**3)), "ZYX")


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("bioio_czi", "pylibCZIrw"))),
    reason="bioio-czi (GPL) and pylibCZIrw (LGPL) are not installed; nothing here requires them",
)
def test_a_real_czi_is_read_through_bioio_czi(tmp_path):
    from pylibCZIrw import czi as library

    data = np.random.default_rng(1).integers(0, 60_000, (2, 3, 40, 50)).astype(np.uint16)
    path = tmp_path / "made.czi"
    with library.create_czi(str(path)) as file:
        for c, z in np.ndindex(2, 3):
            file.write(data=data[c, z, :, :, None], plane={"C": c, "Z": z, "T": 0})
        file.write_metadata("made", channel_names={0: "DAPI", 1: "GFP"}, scale_x=0.4e-6, scale_y=0.2e-6, scale_z=1e-6)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, data)
    assert (image.axes, image.channel_names) == ("CZYX", ("DAPI", "GFP"))
    assert image.pixel_sizes_um == pytest.approx((0.2, 0.4))
