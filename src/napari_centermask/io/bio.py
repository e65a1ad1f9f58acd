"""Microscopes' own files (CZI, ND2, LIF, ...) through bioio, whose plugins read one kind each.

https://bioio-devs.github.io/bioio. A plugin is used if it is installed; docs/formats.md names those that are not required.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadImage, MissingExtra, reason
from napari_centermask.core.extras import how_to_install
from napari_centermask.io.axes import without_single
from napari_centermask.io.image_data import ImageData, check_memory, zeros
from napari_centermask.io.scene_paths import BIO_ENDINGS, safe_names

_PLUGINS = {".czi": "bioio-czi"}
"""Plugins that the extra does not bring, as their licence (GPL) is not ours."""
_STANDARD = set("TCZYXSM")  # M, the tiles of a mosaic, are put together
_LOCK = Lock()  # a reader has one current scene


def is_bio(path: Path) -> bool:
    """Whether a file is of a kind that bioio reads for us."""
    return path.suffix.lower() in BIO_ENDINGS


@lru_cache(maxsize=1)
def readable() -> frozenset[str]:
    """Endings of the files that the installed plugins read; empty without bioio."""
    try:
        from bioio.plugins import get_plugins
    except ImportError:
        return frozenset()
    return frozenset(get_plugins(use_cache=True))


def how_to_read(ending: str) -> str:
    """The command that installs what reads files with this ending."""
    if ending not in _PLUGINS:
        return how_to_install("bioio")
    return f"{how_to_install('bioio')} {_PLUGINS[ending]}"


def scene_names(path: Path) -> list[str]:
    """Names of the images in a file, as they stand in paths.

    Raises
    ------
    BadImage, MissingExtra
        As `read_bio`.
    """
    with _LOCK:
        return safe_names(list(_open(path).scenes))


def read_bio(path: Path, scene: int, *, pixels: bool) -> ImageData:
    """Read one image of a file.

    Parameters
    ----------
    scene
        Its number.
    pixels
        Whether to read the pixels; else they are zeros that take no memory.

    Raises
    ------
    BadImage
        If it cannot be read.
    MissingExtra
        If bioio or its plugin for such files is not installed.
    """
    with _LOCK:
        image = _open(path)
        try:
            image.set_scene(scene)
            return _read(path, image, pixels=pixels)
        except BadImage:
            raise
        except Exception as error:  # plugins raise what they like
            raise BadImage(_unreadable(path, error)) from error


def _open(path: Path) -> Any:
    """A `bioio.BioImage`; the last one is kept, as each call reads a file's whole header."""
    ending = path.suffix.lower()
    if ending not in readable():
        raise MissingExtra(f"{path.name} needs bioio and its plugin for {ending} files: {how_to_read(ending)}")
    try:
        now = path.stat()
        return _opened(str(path), now.st_mtime_ns, now.st_size)
    except Exception as error:
        raise BadImage(_unreadable(path, error)) from error


@lru_cache(maxsize=1)
def _opened(path: str, mtime_ns: int, size: int) -> Any:
    from bioio import BioImage

    return BioImage(path, use_plugin_cache=True)


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path.name} cannot be read: {reason(error)}. Copy it again, or save it as OME-TIFF."


def _read(path: Path, image: Any, *, pixels: bool) -> ImageData:
    lazy, axes = image.xarray_dask_data, str(image.dims.order)
    shape, dtype = tuple(map(int, lazy.shape)), np.dtype(lazy.dtype)
    check_memory(path, shape, dtype.itemsize)
    data: np.ndarray = np.asarray(lazy.data.compute()) if pixels else zeros(shape, dtype)
    names = tuple(map(str, image.channel_names or ()))
    data, axes = without_single(data, axes)
    if "S" in axes:
        data, axes = _colours(data, axes)
    n_channels = data.shape[axes.index("C")] if "C" in axes else 1
    own = names if len(names) == n_channels and len(set(names)) == n_channels and "S" not in axes else ()
    return ImageData(data, axes, path.stem, _pixel_sizes(path, image), own, _left_out(path, image))


def _colours(data: np.ndarray, axes: str) -> tuple[np.ndarray, str]:
    """Red, green and blue without opacity; other samples are channels."""
    n = data.shape[axes.index("S")]
    if "C" in axes:
        raise BadImage(f"It has channels and colours (axes {axes}). Save it with channels only.")
    data, axes = np.moveaxis(data, axes.index("S"), -1), axes.replace("S", "") + "S"
    return (data[..., :3], axes) if n in (3, 4) else (data, axes.replace("S", "C"))


def _pixel_sizes(path: Path, image: Any) -> tuple[float, float] | None:
    """Height and width in micrometres, the unit of bioio's plugins for these files."""
    sizes = image.physical_pixel_sizes
    if path.suffix.lower() == ".nd2" and sizes.Y == sizes.X == 1:  # what the package nd2 says without a calibration
        return None
    if not sizes.Y or not sizes.X or not (np.isfinite(sizes.Y) and np.isfinite(sizes.X)):
        return None
    return abs(float(sizes.Y)), abs(float(sizes.X))


def _left_out(path: Path, image: Any) -> str:
    """What to say about axes of a file that only our names for axes have no place for."""
    own = image.reader.dims
    more = [f"{a} ({n})" for a, n in zip(own.order, own.shape, strict=True) if a not in _STANDARD and n > 1]
    return f"{path.name} has the axes {', '.join(more)}, too: the first of each was read." if more else ""
