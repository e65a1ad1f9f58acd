"""TIFF files as microscopes and other programs write them."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from made_images import RNG, grey
from PIL import Image

from napari_centermask.core.errors import BadImage, MissingExtra
from napari_centermask.io.images import read_image, read_plane


@pytest.mark.parametrize("compression", ["lzw", "zstd", "lzma", "packbits", "zlib", "jpeg2000", "jpegxr", "png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_compressed_files_read_as_they_were(tmp_path, compression, dtype):
    image = grey(dtype=dtype)
    options = {"compressionargs": {"level": 0}} if compression in ("jpeg2000", "jpegxr") else {}
    if compression == "jpegxr":
        options = {"compressionargs": {"level": 1.0}}
    tifffile.imwrite(tmp_path / "a.tif", image, compression=compression, **options)
    assert np.array_equal(read_plane(tmp_path / "a.tif")[0], image)


def test_fax_compressed_files_read_or_the_package_to_upgrade_is_named(tmp_path):
    bits = RNG.random((40, 48)) > 0.5
    Image.fromarray(bits).save(tmp_path / "fax.tif", compression="group4")
    imagecodecs = pytest.importorskip("imagecodecs")
    if getattr(getattr(imagecodecs, "CCITTFAX4", None), "available", False):
        assert np.array_equal(read_plane(tmp_path / "fax.tif")[0] != 0, bits)
    else:
        with pytest.raises(BadImage, match="pip install --upgrade imagecodecs"):
            read_plane(tmp_path / "fax.tif")


def test_jpeg_compressed_files_read(shared):
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


def test_of_images_in_one_file_the_clearly_largest_is_read_aloud(tmp_path, shared):
    image = read_image(shared / "faults" / "multiseries" / "m.ome.tif")
    assert image.data.shape == (128, 128)
    assert "holds 2 images" in image.note
    with tifffile.TiffWriter(tmp_path / "two.ome.tif") as file:
        for _ in range(2):
            file.write(grey(), metadata={"axes": "YX"})
    with pytest.raises(BadImage, match=r"holds 2 images: .* \(40 x 48\).*Choose one with --scenes"):
        read_image(tmp_path / "two.ome.tif")


@pytest.fixture
def two(tmp_path):
    """An OME-TIFF with the images `left`, of all axes, and `right`."""
    path = tmp_path / "two.ome.tif"
    stack = RNG.integers(0, 255, (2, 3, 4, 40, 48), np.uint8)
    about = {"Channel": {"Name": ["DAPI", "GFP", "RFP"]}, "PhysicalSizeX": 0.3, "PhysicalSizeY": 0.3}
    with tifffile.TiffWriter(path) as file:
        file.write(stack, metadata={"axes": "TCZYX", "Name": "left", **about}, photometric="minisblack")
        file.write(stack[:, :, ::-1], metadata={"axes": "TCZYX", "Name": "right"}, photometric="minisblack")
    return path, stack


def test_images_in_one_ome_tiff_are_read_by_name_and_number(two):
    path, stack = two
    left, right = read_image(path / "left"), read_image(path / "1")
    np.testing.assert_array_equal(left.data, stack)
    np.testing.assert_array_equal(right.data, stack[:, :, ::-1])
    assert (left.axes, left.channel_names, left.pixel_sizes_um) == ("TCZYX", ("DAPI", "GFP", "RFP"), (0.3, 0.3))
    assert (left.name, left.note) == ("two.ome_left", "")
    with pytest.raises(BadImage, match="has no image middle, but left, right"):
        read_image(path / "middle")


@pytest.mark.filterwarnings("ignore")  # bioio-ome-tiff 1.4.0 uses what ome-types deprecates
def test_all_dimensions_of_an_ome_tiff_are_those_that_bioio_reads(two):
    bioio = pytest.importorskip("bioio")
    pytest.importorskip("bioio_ome_tiff", reason="bioio-ome-tiff is not installed; our own reader needs none")
    path, _ = two
    image = bioio.BioImage(path)
    ours = read_image(path / "left")
    assert image.scenes == ("Image:0", "Image:1")
    np.testing.assert_array_equal(ours.data, image.data)
    assert list(ours.channel_names) == image.channel_names
    assert ours.pixel_size_um == image.physical_pixel_sizes.Y


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
