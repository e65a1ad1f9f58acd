"""Images that stay on the disk and are read window by window: OME-Zarr, TIFF (BigTIFF and pyramids in full size) and NPY."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_centermask.core.array import Array
from napari_centermask.core.errors import BadImage, reason
from napari_centermask.io.axes import doubt, given_axes, guess_axes
from napari_centermask.io.image_data import ImageData, zeros
from napari_centermask.io.images import read_header
from napari_centermask.io.scene_paths import is_zarr_name, split
from napari_centermask.io.scenes import number_of, only, scene_names
from napari_centermask.io.tiff import tiff_array
from napari_centermask.io.zarr_images import zarr_array

LARGE = 200.0
"""Megapixels of a plane beyond which an image is read tile by tile: a choice, some 2 GB in memory with labels and cells."""
_MOST_MEMORY = 0.5  # of this computer, for the pixels of all planes: a choice
_LARGEST_BLOCK = 1 << 30  # bytes of one chunk, strip or tile, which must be in memory to read any of it: a choice
_TIFFS = (".tif", ".tiff")
_UNREADABLE = (
    *(ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError),
    *(MemoryError, AssertionError),
)
"""Errors of codecs and stores on damaged files."""


@dataclass(frozen=True)
class DiskImage(ImageData):
    """An image whose `data` are zeros that take no memory; its planes are read from `source` where they are sliced.

    Attributes
    ----------
    source
        Array-like, as it is stored.
    source_axes
        The letter of each of its axes; "-" for one of length 1 that the image does not have.
    """

    source: Array = field(default_factory=lambda: np.zeros((0, 0)))
    source_axes: str = ""

    def planes(self) -> Iterator[tuple[str, Any]]:
        """As `ImageData.planes`; each plane is a `DiskPlane`."""
        letters = [a for a in self.axes if a not in "CSYX"]
        sizes = dict(zip(self.axes, self.data.shape, strict=True))
        n_channels = sizes.get("C", sizes.get("S", 1))
        for index in np.ndindex(*self.leading):
            label = " ".join(f"{a}{i}" for a, i in zip(letters, index, strict=True))
            place = dict(zip(letters, map(int, index), strict=True))
            yield label, DiskPlane(self, (n_channels, *self.plane_shape), place, label)


class DiskPlane:
    """One plane, (C, H, W), read where it is sliced.

    Blocks as wide as the image, such as the strips of a TIFF, would be decoded again for every tile in a row of tiles; so the
    last rows of each channel are kept.
    """

    def __init__(self, image: DiskImage, shape: tuple[int, int, int], place: dict[str, int], label: str) -> None:
        self.shape, self.dtype = shape, image.data.dtype
        self._image, self._place, self._label = image, place, label
        self._has_strips = _has_strips(image)
        self._kept: dict[int, tuple[int, int, np.ndarray]] = {}

    def __getitem__(self, index: tuple[slice, slice, slice]) -> np.ndarray:
        """A window of some channels.

        Raises
        ------
        BadImage
            If it cannot be read, with the place.
        """
        channels, rows, columns = index
        y0, y1, step = rows.indices(self.shape[1])
        if self._has_strips and step == 1:
            each = [self._rows(c, y0, y1)[:, columns] for c in range(*channels.indices(self.shape[0]))]
            return np.stack(each)
        return self._read(channels, rows, columns)

    def _rows(self, channel: int, y0: int, y1: int) -> np.ndarray:
        """Whole rows of a channel, kept for the next window."""
        first, last, kept = self._kept.get(channel, (0, 0, np.zeros((0, 0))))
        if not first <= y0 <= y1 <= last:
            first, kept = y0, self._read(slice(channel, channel + 1), slice(y0, y1), slice(None))[0]
            self._kept[channel] = y0, y1, kept
        return kept[y0 - first : y1 - first]

    def _read(self, channels: slice, rows: slice, columns: slice) -> np.ndarray:
        wanted: dict[str, Any] = {**self._place, "C": channels, "S": channels, "Y": rows, "X": columns, "-": 0}
        letters = self._image.source_axes
        try:
            part = np.asarray(self._image.source[tuple(wanted[a] for a in letters)])
        except _UNREADABLE as error:
            raise BadImage(self._unreadable(rows, columns, error)) from error
        left = [a for a in letters if a in "CSYX"]
        if len(left) == 2:
            part, left = part[None][channels], ["C", *left]
        return part.transpose([next(k for k, a in enumerate(left) if a in kind) for kind in ("CS", "Y", "X")])

    def _unreadable(self, rows: slice, columns: slice, error: Exception) -> str:
        y0, y1, _ = rows.indices(self.shape[1])
        x0, x1, _ = columns.indices(self.shape[2])
        where = f" of {self._label}" if self._label else ""
        return (
            f"{self._image.name} cannot be read in rows {y0} to {y1}, columns {x0} to {x1}{where}: {reason(error)}. Copy or "
            "export it again; if only a chunk of an OME-Zarr is replaced, the same command goes on where it stopped."
        )


def too_large(plane_shape: tuple[int, int], n_bytes: int, *, limit: float = LARGE, named: str = "") -> str:
    """Why an image is segmented tile by tile, with its cells written while they are found; empty if it is not.

    Parameters
    ----------
    plane_shape
        (H, W).
    n_bytes
        Of the pixels of all planes.
    limit
        In megapixels, for a plane.
    named
        What the limit is called before its number, with a space at the end.
    """
    pixels = math.prod(plane_shape) / 1e6
    if pixels > limit:
        return f"{pixels:,.0f} megapixels, more than {named}{limit:g}"
    if n_bytes > _MOST_MEMORY * psutil.virtual_memory().total:
        return f"{n_bytes / 2**30:,.1f} GB of pixels, more than half of this computer's memory"
    return ""


def is_in_parts(path: Path) -> bool:
    """Whether files of this kind can be read in parts."""
    file = split(path)[0]
    return is_zarr_name(file) or file.suffix.lower() in (*_TIFFS, ".npy")


def open_on_disk(path: Path, *, axes: str | None = None) -> DiskImage:
    """An image file whose pixels stay on the disk.

    Raises
    ------
    BadImage
        As `images.read_header`, for a kind of file that can only be read as a whole, and for one of whose pixels too many are
        compressed together.
    MissingExtra
        For compressed TIFFs and OME-Zarr without zarr or a codec.
    """
    path = Path(path)
    header = read_header(path, axes=axes)
    file, scene = split(path)
    suffix = file.suffix.lower()
    if is_zarr_name(file):
        names = scene_names(path)
        within = names[only(path, names)]
        source = zarr_array(path / within if within else path)
        letters = header.axes if source.ndim == len(header.axes) else None
    elif suffix in _TIFFS:
        number = number_of(file, scene_names(file), scene) if scene else None
        source, stored = tiff_array(file, series=number)
        letters = stored if "S" in stored else None
    elif suffix == ".npy":
        source = np.load(file, allow_pickle=False, mmap_mode="r")
        letters = header.axes if source.ndim == len(header.axes) else None
    else:
        raise BadImage(
            f"{path.name} is too large to be read as a whole, and files of its kind cannot be read in parts. Save it as OME-Zarr "
            "or as a TIFF in tiles."
        )
    _check_blocks(path, source)
    found = _matched(path, source.shape, header, letters)
    return DiskImage(**{**vars(header), "name": header.name}, source=source, source_axes=found)


def on_disk(source: Array, *, axes: str | None = None, name: str = "image") -> DiskImage:
    """A dask or zarr array, a memory map, or anything else that is read where it is sliced, as an image.

    Raises
    ------
    BadImage
        If the axes do not fit.
    """
    shape = tuple(map(int, source.shape))
    letters, other = (given_axes(name, shape, axes), "") if axes else guess_axes(name, shape)
    note = doubt(name, shape, letters, other)
    data = zeros(shape, np.dtype(source.dtype))
    return DiskImage(data, letters, name, note=note, other_axes=other, source=source, source_axes=letters)


def _matched(path: Path, shape: Sequence[int], header: ImageData, letters: str | None) -> str:
    """The image's letter for each axis of the array, from its own letters or from the lengths.

    The header leaves out axes of length 1, and has colours last.
    """
    if letters is not None and "S" not in letters and len(letters) == len(shape):
        return letters
    samples = letters.index("S") if letters and "S" in header.axes and "S" in letters else -1
    rest = [a for a in header.axes if a != "S" or samples < 0]
    sizes = dict(zip(header.axes, header.data.shape, strict=True))
    found = ""
    for axis, length in enumerate(shape):
        if axis == samples:
            found += "S"
        elif rest and sizes[rest[0]] == length and (length > 1 or rest[0] in "YX"):
            found += rest.pop(0)
        elif length == 1:
            found += "-"
        else:
            break
    if rest or len(found) < len(shape):
        size = " x ".join(map(str, shape))
        raise BadImage(f"The axes of {path.name} ({size}) are not clear. Save it as OME-Zarr or as an OME-TIFF.")
    return found


def _check_blocks(path: Path, source: Array) -> None:
    chunks = getattr(source, "chunks", None)
    size = math.prod(chunks) * source.dtype.itemsize if chunks and isinstance(chunks[0], int) else 0
    if size > _LARGEST_BLOCK:
        raise BadImage(
            f"{path.name} has pixels compressed in blocks of {size / 2**30:.1f} GB, which must be read as a whole. Save it as "
            "OME-Zarr, or as a TIFF with tiles of 512 x 512; or raise --large if it fits into memory."
        )


def _has_strips(image: DiskImage) -> bool:
    """Whether each block holds whole rows, and there are several across the height."""
    chunks = getattr(image.source, "chunks", None)
    if not chunks or not all(isinstance(n, int) for n in chunks):
        return False
    sizes = dict(zip(image.source_axes, chunks, strict=True))
    height, width = image.plane_shape
    return bool(sizes["X"] >= width and sizes["Y"] < height)
