"""Pixel sizes from TIFF files; none rather than a wrong one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    import tifffile

_INCHES = ("inch", "inches", "in", '"')
_CENTIMETRES = ("cm", "centimeter", "centimetre", "centimeters", "centimetres")
_MICROMETRES = {
    **dict.fromkeys(("um", "µm", "μm", "\\u00b5m", "micron", "microns", "micrometer", "micrometre"), 1.0),
    **dict.fromkeys(("micrometers", "micrometres", "u", "µ", "μ", "âµm"), 1.0),
    **dict.fromkeys(("nm", "nanometer", "nanometre", "nanometers", "nanometres"), 1e-3),
    **dict.fromkeys(("pm", "picometer", "picometers"), 1e-6),
    **dict.fromkeys(("å", "a", "angstrom", "\\u00c5"), 1e-4),
    **dict.fromkeys(("mm", "millimeter", "millimetre", "millimeters", "millimetres"), 1e3),
    **dict.fromkeys(_CENTIMETRES, 1e4),
    **dict.fromkeys(("m", "meter", "metre", "meters", "metres"), 1e6),
    **dict.fromkeys(_INCHES, 25_400.0),
}
_SMALLEST_UM, _LARGEST_UM = 1e-4, 1_000.0
"""Plausible sizes in a named unit: from an electron microscope's 0.1 nm to a scanned plate's millimetre."""
_DPI = (72, 96, 100, 150, 200, 300, 600, 1200)
"""Resolutions of screens and printers, which converters write down as micrometres."""
_PRINTED_UM = 10.0
"""From this size on, dots per inch or centimetre come from a printer or a screen: 300 dpi is 85 um, 2,400 dpi 10.6 um."""


def pixel_sizes(file: tifffile.TiffFile, *, image: int = 0) -> tuple[float, float] | None:
    """Height and width of a pixel in micrometres; None if the file has none, or only a printer's resolution.

    Parameters
    ----------
    image
        Number of the image (series) in an OME-TIFF.
    """
    if file.is_ome and file.ome_metadata:
        return _of_ome(file.ome_metadata, image)
    per_unit = _per_unit(file)
    if per_unit is None:
        return None
    if file.is_imagej:
        return _of_imagej(file.imagej_metadata or {}, per_unit)
    unit_tag = file.pages.first.tags.get("ResolutionUnit")
    factor = {2: 25_400.0, 3: 10_000.0}.get(int(unit_tag.value) if unit_tag is not None else 0)
    return None if factor is None else _plausible(factor / per_unit[0], factor / per_unit[1], printed=True)


def in_micrometres(size: float, unit: object) -> float | None:
    """A plausible size in a named unit; None if the unit is no length."""
    factor = _MICROMETRES.get(str(unit).strip().lower())
    plausible = None if factor is None else _plausible(size * factor, size * factor)
    return None if plausible is None else plausible[0]


def _of_imagej(metadata: dict[str, Any], per_unit: tuple[float, float]) -> tuple[float, float] | None:
    """Sizes in `unit`, along y in `yunit` if there is one; a resolution in dots per inch or centimetre was a printer's."""
    across = str(metadata.get("unit", "")).strip().lower()
    down = str(metadata.get("yunit", across)).strip().lower()
    printed = bool({across, down} & {*_INCHES, *_CENTIMETRES})
    y, x = _MICROMETRES.get(down), _MICROMETRES.get(across)
    return None if y is None or x is None else _plausible(y / per_unit[0], x / per_unit[1], printed=printed)


def _per_unit(file: tifffile.TiffFile) -> tuple[float, float] | None:
    """Pixels per unit of length along y and x; None unless the file gives both: 1/1 is what writers put in without one."""
    tags = [file.pages.first.tags.get(name) for name in ("YResolution", "XResolution")]
    values = [(0, 0) if tag is None else tag.value for tag in tags]
    ratios = [value if isinstance(value, tuple) else (value, 1) for value in values]
    if ratios == [(1, 1), (1, 1)] or not all(n and d for n, d in ratios):
        return None
    (y, per_y), (x, per_x) = ratios
    return y / per_y, x / per_x


def _of_ome(xml: str, image: int) -> tuple[float, float] | None:
    """`PhysicalSizeY` and `PhysicalSizeX` of one image; the default unit is micrometres (OME, 2016-06)."""
    try:
        pixels = ElementTree.fromstring(xml).findall("{*}Image/{*}Pixels")
    except ElementTree.ParseError:
        return None
    if image >= len(pixels):
        return None
    sizes = []
    for axis in "YX":
        value, unit = pixels[image].get(f"PhysicalSize{axis}"), pixels[image].get(f"PhysicalSize{axis}Unit", "µm")
        factor = _MICROMETRES.get(unit.strip().lower())
        try:
            sizes.append(float(value or 0) * (factor or 0))
        except ValueError:
            return None
    return _plausible(*sizes)


def _plausible(height: float, width: float, *, printed: bool = False) -> tuple[float, float] | None:
    if height == width and any(math.isclose(height, 25_400 / dpi, rel_tol=1e-3) for dpi in _DPI):
        return None
    largest = _PRINTED_UM if printed else _LARGEST_UM
    return (height, width) if all(_SMALLEST_UM <= side <= largest for side in (height, width)) else None
