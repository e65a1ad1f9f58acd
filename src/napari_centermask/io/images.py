"""Microscopy images from files: PNG, JPEG, TIFF and NPY, with their axes; damaged files are refused, not guessed."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_centermask.core.errors import BadImage

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy", ".bmp")
LARGEST_COMPRESSION = 2_000
"""A file whose pixels need this many times its own bytes is not believed: zlib packs at most 1,032 to 1."""
_DAMAGED = (
    *(ArithmeticError, AssertionError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError),
    *(struct.error, zlib.error),
)
"""What tifffile raises over damaged files."""
MEMMAP_BYTES = 256 * 2**20


@dataclass(frozen=True)
class ImageData:
    """An image and its axes.

    Attributes
    ----------
    data
        Array, any of bool, integer or float; large TIFFs may be a memory map.
    axes
        One letter per axis: Y, X, C or S (samples: RGB), Z, T.
    name
        File name without suffix.
    pixel_size_um
        Side of a pixel in micrometres; None if the file does not tell.
    channel_names
        Of the axis C, in its order; empty if the file does not tell.
    """

    data: np.ndarray
    axes: str
    name: str
    pixel_size_um: float | None = None
    channel_names: tuple[str, ...] = ()

    @property
    def leading(self) -> tuple[int, ...]:
        """Sizes of the axes before channels, height and width, in the order of `planes`."""
        return tuple(n for a, n in zip(self.axes, self.data.shape, strict=True) if a not in "CSYX")

    def planes(self) -> Iterator[tuple[str, np.ndarray]]:
        """Label ("" for a single plane, else "T0 Z3") and (C, H, W) array of every plane."""
        axes = self.axes.replace("S", "C")
        data = self.data
        if "C" not in axes:
            data, axes = data[None], "C" + axes
        stacked = [a for a in axes if a not in "CYX"]
        order = [axes.index(a) for a in (*stacked, "C", "Y", "X")]
        data = data.transpose(order)
        for index in np.ndindex(*data.shape[: len(stacked)]):
            yield " ".join(f"{a}{i}" for a, i in zip(stacked, index, strict=True)), data[index]


def read_image(path: Path) -> ImageData:
    """Read an image file.

    Raises
    ------
    BadImage
        If it is missing, empty, damaged, not an image, implausibly large or of a complex type.
    """
    return _read(Path(path), pixels=True)


def _read(path: Path, *, pixels: bool) -> ImageData:
    if not path.is_file():
        raise BadImage(
            f"Expected an image file, {path} is {'a folder' if path.is_dir() else 'missing'}. Check the path."
        )
    if path.stat().st_size == 0:
        raise BadImage(f"Expected an image, {path.name} is empty. Copy or export it again.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadImage(f"Expected {', '.join(SUFFIXES)}, got {path.name}. Convert it to TIFF.")
    reader = {".npy": _read_npy, ".tif": _read_tiff, ".tiff": _read_tiff}.get(suffix, _read_picture)
    image = reader(path, pixels)
    if image.data.size == 0:
        raise BadImage(f"Expected an image with pixels, {path.name} has the shape {image.data.shape}. Export it again.")
    if image.data.dtype.kind not in "buif":
        raise BadImage(f"Expected integer or real intensities, {path.name} holds {image.data.dtype}. Convert it first.")
    return image


def read_plane(path: Path, index: tuple[int, ...] = ()) -> np.ndarray:
    """Read a two-dimensional image, or one plane of a stack, as (C, H, W).

    Parameters
    ----------
    index
        Position on the axes of `ImageData.leading`.

    Raises
    ------
    BadImage
        As `read_image`, and if the file has no such plane, or several and no position is given.
    """
    image = read_image(path)
    leading = image.leading
    n = math.prod(leading)
    if not index and n != 1:
        raise BadImage(
            f"Expected one plane, {Path(path).name} has {n} (axes {image.axes}). Choose one, or segment the stack."
        )
    index = index or (0,) * len(leading)
    if len(index) != len(leading) or any(not 0 <= i < n for i, n in zip(index, leading, strict=True)):
        raise BadImage(f"Expected a plane {index} in {Path(path).name}, its stack is {leading} (axes {image.axes}).")
    number = int(np.ravel_multi_index(index, leading)) if leading else 0
    return next(plane for n, (_, plane) in enumerate(image.planes()) if n == number)


def read_header(path: Path) -> ImageData:
    """Shape, axes and pixel size of an image file as `read_image` gives them; no pixel is read, all are zero.

    Raises
    ------
    BadImage
        As `read_image`, as far as the head of the file tells.
    """
    return _read(Path(path), pixels=False)


def read_channel_names(path: Path) -> list[str] | None:
    """Names of an image's channels in its order, from the head of an OME or ImageJ TIFF; None if it does not tell.

    Raises
    ------
    BadImage
        As `read_header`.
    """
    if Path(path).suffix.lower() not in (".tif", ".tiff"):
        return None
    return list(read_header(path).channel_names) or None


def plane_shape(path: Path) -> tuple[int, int]:
    """(H, W) of an image, from the head of its file.

    Raises
    ------
    BadImage
        If it is no image, or cannot be read.
    """
    sizes = dict(zip((header := read_header(path)).axes, header.data.shape, strict=True))
    return sizes["Y"], sizes["X"]


def _zeros(shape: tuple[int, ...], dtype: np.dtype | type = np.uint8) -> np.ndarray:
    """Zeros that take no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def _check_size(path: Path, shape: tuple[int, ...], itemsize: int) -> None:
    need, have = math.prod(shape) * itemsize, path.stat().st_size
    if need > LARGEST_COMPRESSION * have:
        size = " x ".join(map(str, shape))
        raise BadImage(
            f"Expected a file that fits its pixels, {path.name} claims {size} in {have} bytes. It is damaged; export it again."
        )


def _read_picture(path: Path, pixels: bool) -> ImageData:
    import warnings

    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                picture = Image.open(path)
            finally:
                Image.MAX_IMAGE_PIXELS = limit
            with picture:
                width, height = picture.size
                _check_size(path, (height, width, len(picture.getbands())), 1)
                _check_depth(path, picture)
                if not pixels:
                    colour = picture.mode not in ("1", "L", "LA", "La", "I", "F") and not picture.mode.startswith("I;")
                    return ImageData(
                        _zeros((height, width, 3) if colour else (height, width)), "YXS"[: 2 + colour], path.stem
                    )
                if picture.mode in ("P", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "PA"):
                    picture = picture.convert("RGB")
                elif picture.mode in ("LA", "La"):
                    picture = picture.convert("L")
                data = np.array(picture)
    except BadImage:
        raise
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
    ) as error:  # Pillow's kinds for files that are no image or cut short
        raise BadImage(f"Expected an image, {path.name} cannot be read: {error}. Copy or export it again.") from error
    if data.dtype == np.int32 and data.min() >= 0 and data.max() <= 65535:
        data = data.astype(np.uint16)  # Pillow's mode I of 16-bit PNG
    return ImageData(data, "YXS" if data.ndim == 3 else "YX", path.stem)


def _check_depth(path: Path, picture) -> None:
    """Pillow cuts colours of 16 bits to 8 without a word; grey ones stay whole."""
    if len(picture.getbands()) > 1 and any(";16" in str(tile[3]) for tile in picture.tile):
        raise BadImage(
            f"Expected at most 8 bits per colour in a {path.suffix}, {path.name} has 16, and half of them would be lost. "
            "Convert it to TIFF."
        )


def _read_npy(path: Path, pixels: bool) -> ImageData:
    try:
        data = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise BadImage(
            f"Expected an array of numbers, {path.name} cannot be read: {error}. Save it again with numpy.save."
        ) from error
    return ImageData(data, _guess_axes(path, data.shape), path.stem)


def _guess_axes(path: Path, shape: tuple[int, ...]) -> str:
    """Axes of an array without names: the last two are Y and X, a last one of 3 or 4 is colour, a short first one channels."""
    if len(shape) == 2:
        return "YX"
    if len(shape) == 3:
        if shape[2] in (3, 4):
            return "YXS"
        return "CYX" if shape[0] <= 8 else "ZYX"
    if len(shape) == 4:
        return "TCYX" if shape[1] <= 8 else "TZYX"
    raise BadImage(f"Expected 2 to 4 dimensions, {path.name} has {len(shape)}. Save it as a TIFF with named axes.")


def _read_tiff(path: Path, pixels: bool) -> ImageData:
    import logging

    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it finds is said once, in our error
    try:
        with tifffile.TiffFile(path) as file:
            _check_chain(path, file)
            series = file.series[0]
            _check_size(path, series.shape, series.dtype.itemsize)
            _check_complete(path, file)
            big = series.nbytes > MEMMAP_BYTES and series.dataoffset is not None
            if not pixels:
                data = _zeros(series.shape, series.dtype)
            else:
                data = tifffile.memmap(path, mode="r") if big else series.asarray()
            axes, size, names = series.axes, _pixel_size(file), _channel_names(file)
        image = _named(path, data, axes, size)
        n_channels = image.data.shape[image.axes.index("C")] if "C" in image.axes else 1
        return replace(image, channel_names=names) if len(names) == n_channels else image
    except BadImage:
        raise
    except (tifffile.TiffFileError, *_DAMAGED) as error:
        raise BadImage(
            f"Expected a TIFF image, {path.name} cannot be read: {error}. Copy or export it again."
        ) from error


def _check_chain(path: Path, file) -> None:
    """Each page names the place of the next; one that leads back would be followed for ever."""
    form, stream, seen = file.tiff, file.filehandle, set()
    stream.seek(4 if form.version == 42 else 8)
    while next_page := struct.unpack(form.offsetformat, stream.read(form.offsetsize))[0]:
        if next_page in seen:
            raise BadImage(
                f"Expected pages one after the other, those of {path.name} run in a circle. Export it again."
            )
        seen.add(next_page)
        stream.seek(next_page)
        n_tags = struct.unpack(form.tagnoformat, stream.read(form.tagnosize))[0]
        stream.seek(next_page + form.tagnosize + n_tags * form.tagsize)


def _check_complete(path: Path, file) -> None:
    """Every strip and tile must lie inside the file: tifffile fills what is missing with zeros."""
    have = path.stat().st_size
    for page in file.series[0].pages:
        if page is None:
            continue
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if ends and max(ends) > have:
            raise BadImage(
                f"Expected {max(ends)} bytes, {path.name} ends after {have}. It was cut short; copy it again."
            )


def _named(path: Path, data: np.ndarray, axes: str, size: float | None) -> ImageData:
    kept, index = "", []
    for letter, length in zip(axes, data.shape, strict=True):
        if letter not in "YX" and length == 1:
            index.append(0)
            continue
        index.append(slice(None))
        kept += letter
    data = data[tuple(index)]
    unknown = [a for a in kept if a not in "TZCYXS"]
    for letter, free in zip(unknown, [a for a in "ZTC" if a not in kept], strict=False):
        kept = kept.replace(letter, free, 1)  # pages without a name are a stack
    if kept.count("Y") != 1 or kept.count("X") != 1 or len(set(kept)) != len(kept):
        raise BadImage(f"Expected the axes T, Z, C, Y, X, {path.name} has {axes}. Save it as ImageJ or OME-TIFF.")
    if "S" in kept and data.shape[kept.index("S")] == 4:
        data = data.take(range(3), axis=kept.index("S"))
    return ImageData(data, kept, path.stem, size)


def _pixel_size(file) -> float | None:
    """Micrometres per pixel of ImageJ files and of TIFFs in centimetres."""
    tags = file.pages[0].tags
    if "XResolution" not in tags:
        return None
    numerator, denominator = tags["XResolution"].value
    if not numerator or not denominator:
        return None
    per_unit = numerator / denominator
    unit = (file.imagej_metadata or {}).get("unit") if file.is_imagej else None
    if unit in ("um", "µm", "micron", "\\u00B5m"):
        return 1.0 / per_unit
    if "ResolutionUnit" in tags and int(tags["ResolutionUnit"].value) == 3:
        return 10_000.0 / per_unit
    return None


def _channel_names(file) -> tuple[str, ...]:
    """Names of the channels as OME and ImageJ files tell them; empty where not every one has a name."""
    from xml.etree import ElementTree

    names: list[str | None] = []
    if file.is_ome and file.ome_metadata:
        try:
            pixels = ElementTree.fromstring(file.ome_metadata).find("{*}Image/{*}Pixels")
        except ElementTree.ParseError:
            return ()
        names = [] if pixels is None else [channel.get("Name") for channel in pixels.findall("{*}Channel")]
    elif file.is_imagej:
        names = list((file.imagej_metadata or {}).get("Labels", []))
    return tuple(map(str, names)) if all(names) and len(set(names)) == len(names) else ()
