"""Images of an OME-Zarr, 0.4 or 0.5, in full size: a single one, a field of a plate, or one of a collection.

https://ngff.openmicroscopy.org/0.4 and /0.5, sections "multiscales", "omero", "plate" and "well".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadImage, reason
from napari_centermask.io.axes import given_axes, without_single
from napari_centermask.io.image_data import ImageData, check_memory, zeros
from napari_centermask.io.pixel_sizes import in_micrometres
from napari_centermask.io.scene_paths import flat
from napari_centermask.io.zarr_groups import attributes, first_dataset, image_names, open_group

_DAMAGED = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def scene_names(path: Path) -> list[str]:
    """Paths of the images in a group; [""] if it is an image itself.

    Raises
    ------
    BadImage
        If it is damaged.
    MissingExtra
        Without zarr.
    """
    try:
        return image_names(open_group(path))
    except _DAMAGED as error:
        raise BadImage(_unreadable(path, error)) from error


def read_zarr(path: Path, *, pixels: bool, axes: str | None = None) -> ImageData:
    """Read an image; see `images.read_image`.

    Parameters
    ----------
    path
        The folder of the image itself.
    pixels
        Whether to read the pixels; else they are zeros that take no memory.

    Raises
    ------
    BadImage
        If it is damaged.
    MissingExtra
        Without zarr.
    """
    try:
        return _read(path, open_group(path), pixels=pixels, given=axes)
    except _DAMAGED as error:
        raise BadImage(_unreadable(path, error)) from error


def zarr_array(path: Path) -> Any:
    """The array of an image in full size, which is read where it is sliced; see `read_zarr`."""
    try:
        return first_dataset(open_group(path))
    except _DAMAGED as error:
        raise BadImage(_unreadable(path, error)) from error


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path.name} cannot be read as an OME-Zarr image: {reason(error)}. Export it again."


def _read(path: Path, group: Any, *, pixels: bool, given: str | None) -> ImageData:
    about = attributes(group)
    scales = about["multiscales"][0]
    array = first_dataset(group)
    shape, dtype = tuple(map(int, array.shape)), np.dtype(array.dtype)
    if pixels:
        check_memory(path, shape, dtype.itemsize)
    letters = _axes(scales, len(shape))
    data: np.ndarray = np.asarray(array[...]) if pixels else zeros(shape, dtype)
    sizes = _pixel_sizes(scales, letters)
    data, letters = without_single(data, letters)
    if given is not None:
        letters = given_axes(path.name, data.shape, given)
    names = _channel_names(about, data.shape[letters.index("C")] if "C" in letters else 1)
    return ImageData(data, letters, flat(path).stem, sizes, names)


def _axes(scales: dict[str, Any], n: int) -> str:
    """A letter for each axis; versions before 0.4 have names only, and the first ones none."""
    listed = scales.get("axes") or list("tczyx"[-n:])
    letters = "".join(str(a["name"] if isinstance(a, dict) else a).upper() for a in listed)
    if len(letters) != n or set(letters) - set("TCZYX") or len(set(letters)) < n or not {"Y", "X"} <= set(letters):
        raise ValueError(f"its axes are {letters} for {n} dimensions; T, C, Z, Y and X can be read")
    return letters


def _pixel_sizes(scales: dict[str, Any], letters: str) -> tuple[float, float] | None:
    """Height and width in micrometres; None where there is no unit of length."""
    listed = scales.get("axes")
    units = {str(a["name"]).upper(): a.get("unit") for a in listed or () if isinstance(a, dict)}
    steps = [*scales["datasets"][0].get("coordinateTransformations", ()), *scales.get("coordinateTransformations", ())]
    factors = np.ones(len(letters))
    for step in steps:
        if step.get("type") == "scale":
            factors = factors * np.asarray(step["scale"], float)
    y, x = (in_micrometres(float(factors[letters.index(a)]), units.get(a)) for a in "YX")
    return None if y is None or x is None else (y, x)


def _channel_names(about: dict[str, Any], n: int) -> tuple[str, ...]:
    """Names of the channels in "omero"; empty unless each one has a name of its own."""
    channels = about.get("omero", {}).get("channels", [])
    names = [c.get("label") for c in channels]
    return tuple(map(str, names)) if len(names) == n and all(names) and len(set(names)) == n else ()
