import struct
import zlib

import numpy as np
import pytest
import tifffile
from made_images import chunk
from PIL import Image

from napari_centermask.core.errors import BadImage
from napari_centermask.io.images import read_channel_names, read_header, read_image, read_plane


def test_real_images_keep_their_depth_and_channels(shared):
    data = shared / "data"
    sixteen = read_plane(next((data / "bbbc039_fluo16" / "images").glob("*.png")))
    colour = read_plane(next((data / "dsb2018_histo" / "images").glob("*.png")))
    stack = read_image(next((data / "baby_yeast" / "stacks").glob("*.tif")))
    assert (sixteen.dtype, sixteen.shape) == (np.uint16, (1, 520, 696))
    assert (colour.dtype, colour.shape[0]) == (np.uint8, 3)
    assert stack.axes == "ZYX"
    assert len(list(stack.planes())) == stack.data.shape[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiff_reads_back_what_was_written(tmp_path, dtype):
    data = np.random.default_rng(0).uniform(0, 200, (3, 20, 30)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"axes": "CYX"})
    assert np.array_equal(read_plane(tmp_path / "a.tif"), data)


def _huge_png():
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def _png(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)).save(tmp_path / "_.png")
    return (tmp_path / "_.png").read_bytes()


def _tiff(tmp_path, **options):
    tifffile.imwrite(
        tmp_path / "_.tif", np.random.default_rng(0).integers(0, 999, (99, 99)).astype(np.uint16), **options
    )
    return (tmp_path / "_.tif").read_bytes()


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.png", lambda t: b"", "is empty"),
        ("a.png", lambda t: b"no image", "cannot be read"),
        ("a.png", lambda t: _png(t)[:-300], "truncated"),
        ("a.png", lambda t: _huge_png(), "claims 40000 x 40000"),
        ("a.tif", lambda t: b"no image", "cannot be read"),
        ("a.tif", lambda t: _tiff(t)[:-300], "cut short"),
        ("a.tif", lambda t: _tiff(t, compression="zlib")[:-300], "cut short"),
        ("a.npy", lambda t: b"\x93NUMPY", "cannot be read"),
        ("a.doc", lambda t: b"x", "Convert it to TIFF"),
    ],
)
def test_bad_files_get_one_clear_message(tmp_path, name, make, message):
    (tmp_path / name).write_bytes(make(tmp_path))
    with pytest.raises(BadImage, match=message):
        read_image(tmp_path / name)


def test_pickled_arrays_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))
    with pytest.raises(BadImage, match="cannot be read"):
        read_image(tmp_path / "a.npy")


def test_complex_images_and_folders_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.complex64))
    with pytest.raises(BadImage, match="complex64"):
        read_image(tmp_path / "a.tif")
    with pytest.raises(BadImage, match="a folder"):
        read_image(tmp_path)


def test_pages_that_run_in_a_circle_are_refused(tmp_path):
    import tifffile

    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((5, 6), np.uint8))
    data = bytearray(path.read_bytes())
    first = int.from_bytes(data[4:8], "little")
    end = first + 2 + 12 * int.from_bytes(data[first : first + 2], "little")
    data[end : end + 4] = data[4:8]
    path.write_bytes(data)
    with pytest.raises(BadImage, match="form a loop"):
        read_image(path)


def test_the_head_of_a_stack_tells_what_reading_it_gives_and_reads_no_pixel(tmp_path, monkeypatch):
    paths = [tmp_path / "a.tif", tmp_path / "b.tif", tmp_path / "c.npy"]
    tifffile.imwrite(paths[0], np.ones((2, 3, 5, 7), np.uint16), imagej=True, metadata={"axes": "TZYX", "unit": "um"})
    tifffile.imwrite(paths[1], np.ones((5, 7, 4), np.uint8), photometric="rgb", extrasamples=["unassalpha"])
    np.save(paths[2], np.ones((9, 5, 7)))
    images = [read_image(p) for p in paths]
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", lambda *_, **__: pytest.fail("pixels were read"))
    for path, image in zip(paths, images, strict=True):
        header = read_header(path)
        assert (header.data.shape, header.axes, header.leading) == (image.data.shape, image.axes, image.leading)
        assert header.pixel_size_um == image.pixel_size_um


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_names_of_channels_are_read(tmp_path, kind):
    names = ["nucleus", "membrane", "cytoplasm"]
    data = np.zeros((2, 3, 20, 30), np.uint16)
    metadata = {"Channel": {"Name": names}} if kind == "ome" else {"Labels": names}
    shown = data[0] if kind == "imagej" else data
    tifffile.imwrite(
        tmp_path / "a.tif", shown, **{kind: True}, metadata={"axes": "TCYX"[shown.ndim == 3 :], **metadata}
    )
    assert read_channel_names(tmp_path / "a.tif") == names
    assert read_image(tmp_path / "a.tif").channel_names == tuple(names)


def test_names_that_do_not_say_which_channel_is_which_are_left_out(tmp_path):
    data = np.zeros((3, 20, 30), np.uint16)
    for number, names in enumerate((["a", "a", "b"], ["a", "b"], None)):
        path = tmp_path / f"{number}.tif"
        tifffile.imwrite(
            path, data, imagej=True, metadata={"axes": "CYX", "Labels": names} if names else {"axes": "CYX"}
        )
        assert read_channel_names(path) is None
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    assert read_channel_names(tmp_path / "a.png") is None
