"""Pixel sizes that files give, and what is none."""

from __future__ import annotations

import pytest
import tifffile
from made_images import grey

from napari_centermask.io.images import read_image

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


def test_imagej_can_have_another_unit_along_y(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", grey(), imagej=True, resolution=(2.0, 0.004), metadata={"unit": "um", "yunit": "nm"}
    )
    assert read_image(tmp_path / "a.tif").pixel_sizes_um == pytest.approx((0.25, 0.5))


@pytest.mark.parametrize("unit", ["µ", "µm", "μm", "Âµm"])
def test_micrometres_are_known_however_they_are_written(tmp_path, unit):
    text = f"ImageJ=1.54f\nunit={unit}\n".encode()
    tifffile.imwrite(tmp_path / "a.tif", grey(), description=text, metadata=None, resolution=(2.0, 2.0))
    assert read_image(tmp_path / "a.tif").pixel_size_um == pytest.approx(0.5)


@pytest.mark.parametrize(("unit", "per_unit"), [("cm", 118.11), ("um", 1), ("um", 300 / 25_400), ("mm", 72 / 25.4)])
def test_what_printers_and_defaults_leave_in_imagej_files_is_no_size(tmp_path, unit, per_unit):
    tifffile.imwrite(tmp_path / "a.tif", grey(), imagej=True, resolution=(per_unit, per_unit), metadata={"unit": unit})
    assert read_image(tmp_path / "a.tif").pixel_sizes_um is None


@pytest.mark.parametrize("um", [84.667, 264.583])
def test_a_printers_resolution_in_ome_is_no_size(tmp_path, um):
    metadata = {"axes": "YX", "PhysicalSizeX": um, "PhysicalSizeY": um}
    tifffile.imwrite(tmp_path / "a.ome.tif", grey(), metadata=metadata)
    assert read_image(tmp_path / "a.ome.tif").pixel_sizes_um is None
