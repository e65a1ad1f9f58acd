"""PNG, JPEG and BMP, through Pillow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.core.errors import BadImage
from napari_centermask.io import colours
from napari_centermask.io.image_data import ImageData, check_memory, zeros

if TYPE_CHECKING:
    from PIL import Image

_GREY = ("1", "L", "LA", "La", "I", "F")
_PACKED = 1_032 * 8
"""Pixels that a byte of PNG can hold at most: deflate packs 1,032 to 1, and a pixel takes a bit at least."""


def read_picture(path: Path, *, pixels: bool, labels: bool) -> ImageData:
    """Read a picture; see `images.read_image`.

    Parameters
    ----------
    pixels
        If False, return only shape and axes, with zeros that take no memory.
    labels
        Return a palette's indices instead of its colours.

    Raises
    ------
    BadImage
        If it is not a picture, is truncated, or has more bits than Pillow keeps.
    """
    try:
        with _open(path) as picture:
            width, height = picture.size
            if picture.format == "PNG" and width * height > _PACKED * path.stat().st_size:
                raise BadImage(
                    f"{path.name} claims {height} x {width} pixels in {path.stat().st_size} bytes. It is damaged; "
                    "export it again."
                )
            check_memory(path, (height, width, len(picture.getbands())), 1)
            _check_depth(path, picture)
            data = zeros(_shape(picture, labels)) if not pixels else _array(picture, labels)
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
    ) as error:  # Pillow's errors for files that are not pictures or are truncated
        raise BadImage(f"{path.name} cannot be read as an image: {error}. Copy or export it again.") from error
    if data.dtype == np.int32 and data.min() >= 0 and data.max() <= 65535:
        data = data.astype(np.uint16)  # Pillow's mode I of 16-bit PNG
    return ImageData(data, "YXS" if data.ndim == 3 else "YX", path.stem)


def _open(path: Path) -> Image.Image:
    """Open without Pillow's limit on pixels; ours depends on what the file can hold."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _shape(picture: Image.Image, labels: bool) -> tuple[int, ...]:
    """The shape of the array that `_array` returns."""
    width, height = picture.size
    if picture.mode == "P" and not labels:
        is_grey = colours.is_grey(_table(picture))
    else:
        is_grey = picture.mode in (*_GREY, "P") or picture.mode.startswith("I;")
    return (height, width) if is_grey else (height, width, 3)


def _array(picture: Image.Image, labels: bool) -> np.ndarray:
    if picture.mode in ("P", "PA"):
        indices = np.array(picture if picture.mode == "P" else picture.getchannel(0))
        return indices if labels else colours.from_palette(indices, _table(picture))
    if picture.mode in ("RGBA", "CMYK", "YCbCr", "LAB", "HSV"):
        return np.array(picture.convert("RGB"))
    if picture.mode in ("LA", "La"):
        return np.array(picture.convert("L"))
    return np.array(picture)


def _table(picture: Image.Image) -> np.ndarray:
    """(n, 3) uint8 colours of a palette."""
    picture.load()  # Pillow fills the palette in then
    return np.array(picture.getpalette("RGB") or [0, 0, 0], np.uint8).reshape(-1, 3)


def _check_depth(path: Path, picture: Image.Image) -> None:
    """Refuse colours of 16 bits, which Pillow silently reduces to 8; grey values keep their bits."""
    tiles = getattr(picture, "tile", ())
    if len(picture.getbands()) > 1 and any(";16" in str(tile[3]) for tile in tiles):
        raise BadImage(
            f"{path.name} has colours of 16 bits, of which only 8 can be read from a {path.suffix}. Convert it to TIFF."
        )
