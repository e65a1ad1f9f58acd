"""TIFF files as microscopes and other programs write them."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_centermask.core.errors import BadImage, MissingExtra
from napari_centermask.io.formats.labels import read as read_labels
from napari_centermask.io.images import read_header, read_image, read_plane

RNG = np.random.default_rng(3)


def grey(shape=(40, 48), dtype=np.uint8):
    return RNG.integers(0, np.iinfo(dtype).max, shape).astype(dtype)


@pytest.mark.parametrize("compression", ["lzw", "zstd", "lzma", "packbits", "zlib", "jpeg2000", "jpegxr", "png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_compressed_files_read_as_they_were(tmp_path, compression, dtype):
    image = grey(dtype=dtype)
    options = {"compressionargs": {"level": 0}} if compression in ("jpeg2000", "jpegxr") else {}
    if compression == "jpegxr":
        options = {"compressionargs": {"level": 1.0}}
    tifffile.imwrite(tmp_path / "a.tif", image, compression=compression, **options)
    assert np.array_equal(read_plane(tmp_path / "a.tif")[0], image)


def test_jpeg_and_fax_compressed_files_read(tmp_path, shared):
    bits = RNG.random((40, 48)) > 0.5
    Image.fromarray(bits).save(tmp_path / "fax.tif", compression="group4")
    assert np.array_equal(read_plane(tmp_path / "fax.tif")[0] != 0, bits)
    for name in ("jpeg.tif", "lzw.tif"):
        assert read_plane(shared / "faults" / "lzw_tiff" / name).shape == (1, 128, 128)


def test_a_missing_codec_is_named_with_what_to_install(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", grey(), compression="zlib")
    decompressors = type(tifffile.TIFF.DECOMPRESSORS)

    def missing(self, key):
        raise KeyError("5 requires the 'imagecodecs' package")

    monkeypatch.setattr(decompressors, "__getitem__", missing)
    with pytest.raises(MissingExtra, match=r"ADOBE_DEFLATE.*napari-centermask\[formats\]"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd"])
def test_blank_images_are_not_called_damaged(tmp_path, compression):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((6000, 6000), np.uint8), compression=compression)
    assert (tmp_path / "a.tif").stat().st_size < 200_000
    assert not read_plane(tmp_path / "a.tif").any()


def test_blank_pictures_are_not_called_damaged(tmp_path):
    Image.new("1", (8000, 8000)).save(tmp_path / "a.png")
    assert not read_plane(tmp_path / "a.png").any()


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
    ],
)
def test_arrays_say_what_was_assumed(tmp_path, shape, axes, other):
    np.save(tmp_path / "a.npy", grey(shape))
    read = read_image(tmp_path / "a.npy")
    assert read.axes == axes
    assert read.note == "" if not other else f"--axes {other}" in read.note


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


OME = [("µm", 0.5, 0.5), ("nm", 500, 0.5), ("mm", 0.0005, 0.5), ("pixel", 1, None), ("reference frame", 1, None)]


@pytest.mark.parametrize(("unit", "value", "um"), OME)
def test_pixel_sizes_of_ome(tmp_path, unit, value, um):
    metadata = {"axes": "YX", "PhysicalSizeX": 2 * value, "PhysicalSizeXUnit": unit}
    metadata |= {"PhysicalSizeY": value, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(tmp_path / "a.ome.tif", grey(), metadata=metadata)
    sizes = read_image(tmp_path / "a.ome.tif").pixel_sizes_um
    assert sizes == (None if um is None else pytest.approx((um, 2 * um)))


def test_a_size_along_one_axis_is_not_a_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", grey(), metadata={"axes": "YX", "PhysicalSizeX": 0.5})
    assert read_image(tmp_path / "a.ome.tif").pixel_sizes_um is None


IMAGEJ = [("um", 2.0, 0.5), ("micron", 2.0, 0.5), ("\\u00B5m", 2.0, 0.5), ("nm", 0.002, 0.5), ("mm", 2000.0, 0.5)]


@pytest.mark.parametrize(("unit", "per_unit", "um"), [*IMAGEJ, ("inch", 72.0, None), ("pixel", 1.0, None)])
def test_pixel_sizes_of_imagej(tmp_path, unit, per_unit, um):
    resolution = (per_unit, 2 * per_unit)
    tifffile.imwrite(tmp_path / "a.tif", grey(), imagej=True, resolution=resolution, metadata={"unit": unit})
    image = read_image(tmp_path / "a.tif")
    assert image.pixel_sizes_um == (None if um is None else pytest.approx((um / 2, um)))
    if um is not None:
        assert image.pixel_size_um == pytest.approx(um / 2**0.5)  # the square of the same area


@pytest.mark.parametrize(
    ("resolution", "unit", "um"),
    [
        (20_000, "CENTIMETER", 0.5),
        (50_800, "INCH", 0.5),
        (300, "INCH", None),
        (2_400, "INCH", None),
        (72, "INCH", None),
    ],
)
def test_a_printers_resolution_is_not_a_pixel_size(tmp_path, resolution, unit, um):
    tifffile.imwrite(tmp_path / "a.tif", grey(), resolution=(resolution, resolution), resolutionunit=unit)
    assert read_image(tmp_path / "a.tif").pixel_size_um == (None if um is None else pytest.approx(um))


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


def test_of_images_in_one_file_the_clearly_largest_is_read_aloud(tmp_path, shared):
    image = read_image(shared / "faults" / "multiseries" / "m.ome.tif")
    assert image.data.shape == (128, 128)
    assert "holds 2 images" in image.note
    with tifffile.TiffWriter(tmp_path / "two.ome.tif") as file:
        for _ in range(2):
            file.write(grey(), metadata={"axes": "YX"})
    with pytest.raises(BadImage, match=r"holds 2 images \(40 x 48, 40 x 48\).*Bio-Formats"):
        read_image(tmp_path / "two.ome.tif")


def test_a_part_of_an_image_in_several_files_is_not_filled_up_with_zeros(tmp_path):
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:aaaa">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="48" SizeY="40" SizeC="1" '
        'SizeZ="2" SizeT="1"><TiffData IFD="0" FirstZ="0" PlaneCount="1"><UUID FileName="a.ome.tif">urn:uuid:aaaa</UUID>'
        '</TiffData><TiffData IFD="0" FirstZ="1" PlaneCount="1"><UUID FileName="b.ome.tif">urn:uuid:bbbb</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    tifffile.imwrite(tmp_path / "a.ome.tif", grey(), description=xml, metadata=None)
    with pytest.raises(BadImage, match="in several files"):
        read_image(tmp_path / "a.ome.tif")
