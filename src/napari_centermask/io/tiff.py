"""Read all kinds of TIFF files from microscopes, through tifffile."""

from __future__ import annotations

import logging
import math
import struct
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from napari_centermask.core.errors import BadImage, MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.io import colours
from napari_centermask.io.axes import complete_axes, doubt, given_axes, without_single
from napari_centermask.io.image_data import ImageData, check_memory, zeros
from napari_centermask.io.pixel_sizes import pixel_sizes
from napari_centermask.io.scene_paths import safe_names
from napari_centermask.io.zarr_groups import zarr_package

if TYPE_CHECKING:
    import tifffile

MEMMAP_BYTES = 256 * 2**20  # a choice: smaller images are read at once, larger ones where they are looked at
_DAMAGED = (
    *(ArithmeticError, AssertionError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError),
    *(struct.error, zlib.error),
)
"""Errors of tifffile on damaged files."""
_MOST_PACKED = {1: 1, 5: 2_600, 8: 1_100, 32946: 1_100, 32773: 64}
"""Most bytes that one byte of a TIFF compression (none, LZW, deflate twice, PackBits) can decode to; others have no bound."""
_ALPHA = {1, 2}  # values of ExtraSamples for opacity (TIFF 6.0, p. 31); 0 is "unspecified"
_CONVERTED = {"PALETTE", "MINISWHITE", "SEPARATED", "CIELAB", "ICCLAB", "ITULAB", "LOGLUV"}
"""Colour models that are converted in memory (`_coloured`)."""
_CLEARLY = 4  # times as many pixels as any other image in the file make it the main one


def read_tiff(
    path: Path, *, pixels: bool, labels: bool = False, axes: str | None = None, series: int | None = None
) -> ImageData:
    """Read a TIFF; see `images.read_image`.

    Parameters
    ----------
    series
        Number of the image, if the file holds several; by default the only or the main one.
    pixels
        If False, return only shape, axes and metadata, with zeros that take no memory.
    labels
        Return a palette's indices instead of its colours.
    axes
        The axes, instead of those in the file.

    Raises
    ------
    BadImage
        If it is damaged, truncated, or holds several images.
    MissingExtra
        If its compression needs imagecodecs.
    """
    with _opened(path) as file:
        number = _chosen(path, file) if series is None else series
        image = _read_series(path, file, number, pixels=pixels, labels=labels, axes=axes)
        note = " ".join(filter(None, (image.note, _others(path, file, number) if series is None else "")))
        return replace(image, note=note)


@contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffFile]:
    """An open TIFF; errors on damaged files become `BadImage`."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its warnings repeat our error
    try:
        with tifffile.TiffFile(path) as file:
            _check_chain(path, file)
            yield file
    except (BadImage, MissingExtra):
        raise
    except (tifffile.TiffFileError, *_DAMAGED) as error:
        raise BadImage(f"{path.name} cannot be read as a TIFF: {error}. Copy or export it again.") from error


def _read_series(
    path: Path, file: tifffile.TiffFile, number: int, *, pixels: bool, labels: bool, axes: str | None
) -> ImageData:
    import tifffile

    series = file.series[number]
    _check_complete(path, series)
    _check_packing(path, series)
    is_plain = series.nbytes > MEMMAP_BYTES and series.dataoffset is not None
    if pixels and not is_plain:
        check_memory(path, series.shape, series.dtype.itemsize)
    if not pixels:
        data: np.ndarray = zeros(series.shape, series.dtype)
    else:
        _check_codec(path, series)
        data = tifffile.memmap(path, mode="r", series=number) if is_plain else series.asarray()
    page = series.keyframe
    letters, more = series.axes, ""
    if axes is not None:
        data = data if data.ndim == len(axes) else data.squeeze()
        letters = given_axes(path.name, data.shape, axes)
    data, letters = _without_alpha(data, letters, page)
    if not labels or getattr(page.photometric, "name", "") not in ("PALETTE", "MINISWHITE"):
        more = _more_than_colours(path, series, letters)
        data, letters = _coloured(path, data, letters, page)
    names = _channel_names(file, number)
    image = _named(path, data, letters) if axes is None else ImageData(data, letters, path.stem)
    note = " ".join(filter(None, (image.note, more)))
    image = replace(image, pixel_sizes_um=pixel_sizes(file, image=number), note=note)
    n_channels = image.data.shape[image.axes.index("C")] if "C" in image.axes else 1
    return replace(image, channel_names=names) if len(names) == n_channels else image


def tiff_array(path: Path, *, series: int | None = None) -> tuple[Any, str]:
    """The array of an image as it is stored, which is read where it is sliced, and the letters of its axes.

    Raises
    ------
    BadImage
        If it is damaged, or its numbers are not grey levels, channels, or red, green and blue.
    MissingExtra
        If its compression needs imagecodecs, or it needs zarr.
    """
    import tifffile

    with _opened(path) as file:
        number = _chosen(path, file) if series is None else series
        chosen = file.series[number]
        _check_complete(path, chosen)
        _check_packing(path, chosen)
        _check_codec(path, chosen)
        model = getattr(chosen.keyframe.photometric, "name", "")
        if model in _CONVERTED or (model == "YCBCR" and int(chosen.keyframe.compression) not in (6, 7)):
            raise BadImage(
                f"{path.name} holds colours as {model}, which cannot be converted in parts. Save it as grey levels or RGB, or "
                "raise --large if it fits into memory."
            )
        if chosen.dataoffset is not None and (data := tifffile.memmap(path, mode="r", series=number)).ndim:
            return data, str(chosen.axes)
    store = tifffile.imread(path, aszarr=True, series=number, level=0)
    array = zarr_package().open(store, mode="r")
    weakref.finalize(array, store.close)  # with its file
    return array, str(chosen.axes)


def series_names(path: Path) -> tuple[list[str], int | None]:
    """Names of the images in a TIFF, and the number of the only or the main one; None if several could be meant.

    Raises
    ------
    BadImage
        If it is damaged.
    """
    with _opened(path) as file:
        return _names(file), _main_series(file)


def _names(file: tifffile.TiffFile) -> list[str]:
    """Names of the images in an OME-TIFF, else their numbers."""
    named = [str(series.name or "") if file.is_ome else "" for series in file.series]
    return safe_names([name or str(number) for number, name in enumerate(named)])


def _main_series(file: tifffile.TiffFile) -> int | None:
    """The main image: the only one, or the one that is much larger than labels, thumbnails and previews; None without one."""
    sizes = [math.prod(series.shape) for series in file.series]
    number = int(np.argmax(sizes)) if sizes else 0
    second = max((n for k, n in enumerate(sizes) if k != number), default=0)
    return number if sizes and sizes[number] >= _CLEARLY * second else None


def _chosen(path: Path, file: tifffile.TiffFile) -> int:
    number = _main_series(file)
    if number is not None:
        return number
    if not file.series:
        raise BadImage(f"{path.name} holds no image. Export it again.")
    names = _names(file)
    sizes = (" x ".join(map(str, series.shape)) for series in file.series)
    listed = ", ".join(f"{name} ({size})" for name, size in list(zip(names, sizes, strict=True))[:4])
    more = ", ..." if len(names) > 4 else ""
    raise BadImage(
        f"{path.name} holds {len(names)} images: {listed}{more}. Choose one with --scenes {names[0]!r}, or as "
        f"{path.name}/{names[0]}."
    )


def _others(path: Path, file: tifffile.TiffFile, number: int) -> str:
    n = len(file.series)
    if n == 1:
        return ""
    return f"{path.name} holds {n} images; number {number}, by far the largest, was read. --scenes chooses another one."


def _check_chain(path: Path, file: tifffile.TiffFile) -> None:
    """Refuse pages that form a loop: each page has the address of the next, and a loop would never end."""
    form, stream, seen = file.tiff, file.filehandle, set()
    stream.seek(4 if form.version == 42 else 8)
    while next_page := struct.unpack(form.offsetformat, stream.read(form.offsetsize))[0]:
        if next_page in seen:
            raise BadImage(f"The pages of {path.name} form a loop. It is damaged; export it again.")
        seen.add(next_page)
        stream.seek(next_page)
        n_tags = struct.unpack(form.tagnoformat, stream.read(form.tagnosize))[0]
        stream.seek(next_page + form.tagnosize + n_tags * form.tagsize)


def _check_complete(path: Path, series: tifffile.TiffPageSeries) -> None:
    """Check that every strip and tile lies inside its file, and that no file is missing: tifffile would fill in zeros."""
    for page in series.pages:
        if page is None:
            raise BadImage(
                f"{path.name} is part of an image in several files, and some of them are missing. Put all files of "
                "the image into one folder, or export it as one file."
            )
        have = page.parent.filehandle.size
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if ends and max(ends) > have:
            raise BadImage(f"{path.name} ends after {have} of {max(ends)} bytes. It was cut short; copy it again.")


def _check_packing(path: Path, series: tifffile.TiffPageSeries) -> None:
    """Refuse a file that claims more pixels than its bytes can decode to. Missing strips count as empty."""
    page = series.keyframe
    most = _MOST_PACKED.get(int(page.compression))
    stored = sum(page.databytecounts)
    if most is None or 0 in page.databytecounts or not stored:
        return
    need = math.prod(page.shape) * page.bitspersample / 8
    if need > most * stored + 64:
        size = " x ".join(map(str, page.shape))
        raise BadImage(f"{path.name} claims {size} pixels in {stored} bytes. It is damaged; export it again.")


def _check_codec(path: Path, series: tifffile.TiffPageSeries) -> None:
    """Name a missing package before tifffile fails."""
    import tifffile

    compression = series.keyframe.compression
    try:
        tifffile.TIFF.DECOMPRESSORS[compression]
    except KeyError as error:
        name = getattr(compression, "name", compression)
        if "imagecodecs" in str(error):
            raise MissingExtra(
                f"{path.name} is compressed with {name}, which needs imagecodecs: {how_to_install('formats')}. "
                "Or save it without compression."
            ) from error
        raise BadImage(
            f"{path.name} is compressed with {name}, which the installed imagecodecs cannot read. "
            "pip install --upgrade imagecodecs tifffile, or save it without compression."
        ) from error


def _without_alpha(data: np.ndarray, axes: str, page: tifffile.TiffPage) -> tuple[np.ndarray, str]:
    """Grey or palette pixels without the opacity that comes with them; `_coloured` leaves out that of colours."""
    at = axes.find("S")
    is_alpha = page.extrasamples and set(map(int, page.extrasamples)) <= _ALPHA
    if at < 0 or not is_alpha or data.shape[at] != 1 + len(page.extrasamples):
        return data, axes
    return np.moveaxis(data, at, 0)[0], axes.replace("S", "")


def _more_than_colours(path: Path, series: tifffile.TiffPageSeries, axes: str) -> str:
    """What to say about samples that are left out because the file calls the first three red, green and blue."""
    page = series.keyframe
    extra = [] if getattr(page.photometric, "name", "") != "RGB" else list(map(int, page.extrasamples))
    is_planar = int(page.planarconfig) == 2
    if "S" not in axes or not extra or (set(extra) <= _ALPHA and not is_planar):
        return ""
    return (
        f"{path.name} says that it holds RGB and {len(extra)} more: the first three were read. "
        f"If they are channels, use --axes {series.axes.replace('S', 'C')}."
    )


def _coloured(path: Path, data: np.ndarray, axes: str, page: tifffile.TiffPage) -> tuple[np.ndarray, str]:
    """The pixels as grey or RGB whatever their colour model, and their axes; samples that are not colours are channels."""
    model = getattr(page.photometric, "name", "")  # unknown ones are plain numbers
    is_ink = model == "SEPARATED" and data.dtype.kind != "u"  # nobody says what part of the ink a number is
    if is_ink or model in ("CIELAB", "ICCLAB", "ITULAB", "LOGLUV"):
        raise BadImage(
            f"{path.name} holds colours as {model} in {data.dtype}, which cannot be read. Convert it to RGB."
        )
    if model == "PALETTE" and page.colormap is not None:
        table = np.asarray(page.colormap).T
        is_grey = colours.is_grey(colours.eight_bits(table))
        shape = data.shape if is_grey else (*data.shape, 3)
        return _converted(colours.from_palette, data, table, shape=shape), axes + "S" * (not is_grey)
    if model == "MINISWHITE":
        return _converted(colours.inverted, data, page.bitspersample, shape=data.shape), axes
    at = axes.find("S")
    if at < 0:
        return data, axes
    if model not in ("SEPARATED", "YCBCR", "RGB") or data.shape[at] < 3:
        return data, axes.replace("S", "" if "C" in axes else "C")
    data, axes = np.moveaxis(data, at, -1), axes.replace("S", "") + "S"
    shape = (*data.shape[:-1], 3)
    if model == "SEPARATED" and data.shape[-1] >= 4:
        return _converted(colours.from_cmyk, data[..., :4], shape=shape), axes
    if model == "YCBCR" and int(page.compression) not in (6, 7):  # the JPEG decoder has converted it
        return _converted(colours.from_ycbcr, data, shape=shape), axes
    return data[..., :3], axes


def _converted(
    convert: Callable[..., np.ndarray], data: np.ndarray, *options: Any, shape: tuple[int, ...]
) -> np.ndarray:
    """Convert pixels; those of a header only, zeros that take no memory, stay zeros."""
    return convert(data, *options) if any(data.strides) or not data.size else zeros(shape, data.dtype)


def _named(path: Path, data: np.ndarray, axes: str) -> ImageData:
    """The image with named axes, without those of length 1."""
    data, letters = without_single(data, axes)
    kept, other = complete_axes(path.name, data.shape, letters)
    if kept.count("Y") != 1 or kept.count("X") != 1 or len(set(kept)) != len(kept):
        raise BadImage(
            f"{path.name} has the axes {axes}; the axes T, Z, C, Y and X can be read. Save it as an ImageJ or OME-TIFF."
        )
    return ImageData(data, kept, path.stem, note=doubt(path.name, data.shape, kept, other), other_axes=other)


def _channel_names(file: tifffile.TiffFile, number: int) -> tuple[str, ...]:
    """Names of the channels in OME and ImageJ files; empty unless each one has a name."""
    names: list[str | None] = []
    if file.is_ome and file.ome_metadata:
        try:
            images = ElementTree.fromstring(file.ome_metadata).findall("{*}Image/{*}Pixels")
        except ElementTree.ParseError:
            return ()
        names = [c.get("Name") for c in images[number].findall("{*}Channel")] if number < len(images) else []
    elif file.is_imagej:
        names = list((file.imagej_metadata or {}).get("Labels", []))
    return tuple(map(str, names)) if all(names) and len(set(names)) == len(names) else ()
