"""Images on the disk give, window by window, the pixels that they give in memory."""

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadImage
from napari_centermask.io.disk_images import on_disk, open_on_disk
from napari_centermask.io.images import read_image

RNG = np.random.default_rng(5)
zarr = pytest.importorskip("zarr")


def numbers(*shape, dtype=np.uint16):
    return RNG.integers(0, 200, shape).astype(dtype)


def assert_same_windows(path, **options):
    """Every plane, in windows that cross the blocks, and with a stride."""
    whole, lazy = read_image(path, **options), open_on_disk(path, **options)
    assert (lazy.axes, lazy.leading, lazy.name) == (whole.axes, whole.leading, whole.name)
    assert (lazy.pixel_sizes_um, lazy.channel_names) == (whole.pixel_sizes_um, whole.channel_names)
    for (label, here), (other, there) in zip(lazy.planes(), whole.planes(), strict=True):
        assert (label, here.shape, here.dtype) == (other, there.shape, there.dtype)
        for rows, columns in (
            (slice(0, 40), slice(10, 90)),
            (slice(20, 60), slice(0, 50)),
            (slice(None, None, 7),) * 2,
        ):
            for channels in (slice(None), slice(here.shape[0] - 1, here.shape[0])):
                assert np.array_equal(np.asarray(here[channels, rows, columns]), there[channels, rows, columns])


@pytest.mark.parametrize("shape", [(90, 110), (2, 90, 110), (3, 2, 90, 110)])
@pytest.mark.parametrize("layout", [{"tile": (32, 48)}, {"rowsperstrip": 8}, {"rowsperstrip": 1000}])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_in_tiles_or_strips(tmp_path, shape, layout, compression):
    axes = "ZCYX"[4 - len(shape) :]
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        numbers(*shape),
        compression=compression,
        bigtiff=True,
        metadata={"axes": axes},
        **layout,
    )
    assert_same_windows(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_tiff_of_colours(tmp_path, planar):
    shape = (90, 110, 3) if planar == "contig" else (3, 90, 110)
    pixels = numbers(*shape, dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", planarconfig=planar, tile=(32, 32))
    assert_same_windows(tmp_path / "a.tif")


def test_a_pyramid_is_read_in_full_size(tmp_path):
    pixels = numbers(256, 320)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", bigtiff=True) as file:
        file.write(pixels, subifds=2, tile=(64, 64), compression="zlib", metadata={"axes": "YX"})
        for level in (1, 2):
            file.write(pixels[:: 2**level, :: 2**level], subfiletype=1, tile=(64, 64))
    assert_same_windows(tmp_path / "a.ome.tif")
    assert open_on_disk(tmp_path / "a.ome.tif").plane_shape == (256, 320)


@pytest.mark.parametrize("kind", [2, 3])
@pytest.mark.parametrize("shape", [(90, 110), (1, 2, 1, 90, 110), (3, 2, 2, 90, 110)])
def test_an_ome_zarr(tmp_path, kind, shape):
    root = zarr.open_group(store=str(tmp_path / "a.ome.zarr"), mode="w", zarr_format=kind)
    array = root.create_array("0", shape=shape, chunks=(*(1 for _ in shape[:-2]), 32, 48), dtype="uint16")
    array[...] = numbers(*shape)
    axes = [{"name": a} for a in "tczyx"[5 - len(shape) :]]
    scales = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    root.attrs.update(scales if kind == 2 else {"ome": {"version": "0.5", **scales}})
    assert_same_windows(tmp_path / "a.ome.zarr")


def test_npy(tmp_path):
    np.save(tmp_path / "a.npy", numbers(2, 90, 110))
    assert_same_windows(tmp_path / "a.npy")


def test_an_array_that_is_computed(tmp_path):
    dask = pytest.importorskip("dask.array")
    pixels = numbers(2, 90, 110)
    image = on_disk(dask.from_array(pixels, chunks=(1, 32, 32)), name="a")
    ((_, plane),) = image.planes()
    assert np.array_equal(plane[:, 10:50, 20:60], pixels[:, 10:50, 20:60])


def test_strips_are_decoded_once_for_a_row_of_windows(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", numbers(400, 300), compression="zlib", rowsperstrip=4)
    ((_, plane),) = open_on_disk(tmp_path / "a.tif").planes()
    read, rows = type(plane)._read, []
    monkeypatch.setattr(type(plane), "_read", lambda self, *index: rows.append(index) or read(self, *index))
    for x in range(0, 300, 50):
        plane[0:1, 100:200, x : x + 50]
    assert len(rows) == 1


def test_what_cannot_be_read_in_parts_is_refused(tmp_path, monkeypatch):
    from PIL import Image

    Image.fromarray(numbers(40, 50, dtype=np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(BadImage, match="Save it as OME-Zarr or as a TIFF in tiles"):
        open_on_disk(tmp_path / "a.png")
    monkeypatch.setattr("napari_centermask.io.disk_images._LARGEST_BLOCK", 1000)
    tifffile.imwrite(tmp_path / "a.tif", numbers(90, 110), compression="zlib", rowsperstrip=90)
    with pytest.raises(BadImage, match="compressed in blocks"):
        open_on_disk(tmp_path / "a.tif")


def test_a_damaged_chunk_is_named_by_its_place(tmp_path):
    root = zarr.open_group(store=str(tmp_path / "a.ome.zarr"), mode="w", zarr_format=2)
    array = root.create_array("0", shape=(90, 110), chunks=(32, 48), dtype="uint16")
    array[...] = numbers(90, 110)
    root.attrs.update({"multiscales": [{"axes": [{"name": a} for a in "yx"], "datasets": [{"path": "0"}]}]})
    (tmp_path / "a.ome.zarr" / "0" / "1.1").write_bytes(b"nothing")
    ((_, plane),) = open_on_disk(tmp_path / "a.ome.zarr").planes()
    plane[:, :32, :48]
    with pytest.raises(BadImage, match=r"rows 30 to 60, columns 40 to 90"):
        plane[:, 30:60, 40:90]
