"""Read microscopy images: pictures, TIFF, NPY, OME-Zarr and microscopes' own files, with their axes. Damaged ones are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_centermask.core.errors import BadImage
from napari_centermask.io.axes import doubt, given_axes, guess_axes
from napari_centermask.io.bio import is_bio, read_bio
from napari_centermask.io.image_data import ImageData
from napari_centermask.io.image_names import IMAGE_ENDINGS
from napari_centermask.io.pictures import read_picture
from napari_centermask.io.scene_paths import file_of, flat, is_zarr_name, split
from napari_centermask.io.scenes import number_of, only, scene_names
from napari_centermask.io.tiff import read_tiff
from napari_centermask.io.zarr_images import read_zarr

SUFFIXES = IMAGE_ENDINGS
_NAMELESS = {".png", ".jpg", ".jpeg", ".bmp", ".npy"}


def read_image(
    path: Path, *, axes: str | None = None, leading: tuple[int, ...] | None = None, labels: bool = False
) -> ImageData:
    """Read an image file.

    Parameters
    ----------
    axes
        A letter for each axis (T, Z, C, Y, X); by default as the file says, or a guess.
    leading
        Sizes of the axes of planes if they are known, for instance because cells were drawn on them: if a file can be read in
        two ways, the one that has them is used.
    labels
        The file holds labels: the indices of a palette are used, not its colours.

    Raises
    ------
    BadImage
        If it is missing, empty, damaged, not an image, implausibly large or of complex numbers.
    MissingExtra
        If its compression needs imagecodecs.
    """
    image = _read(Path(path), pixels=True, axes=axes, labels=labels)
    return _with_planes(image, Path(path), leading, pixels=True)


def _with_planes(image: ImageData, path: Path, leading: tuple[int, ...] | None, *, pixels: bool) -> ImageData:
    """An ambiguous image read the other way, if that has the planes that are wanted."""
    if leading is None or image.leading == leading or not image.other_axes:
        return image
    other = _read(path, pixels=pixels, axes=image.other_axes)
    return other if other.leading == leading else image


def _read(path: Path, *, pixels: bool, axes: str | None = None, labels: bool = False) -> ImageData:
    file, scene = split(path)
    if is_zarr_name(file) and file.is_dir():
        image = _read_zarr(path, pixels=pixels, axes=axes)
    else:
        _check(file)
        image = _read_file(file, scene, pixels=pixels, axes=axes, labels=labels)
        image = replace(image, name=flat(path).stem) if scene else image
    if image.data.size == 0:
        raise BadImage(f"{path.name} has the shape {image.data.shape}: no pixels. Export it again.")
    if image.data.dtype.kind not in "buif":
        raise BadImage(
            f"{path.name} holds {image.data.dtype}; only integer or real intensities can be read. Convert it first."
        )
    return image


def _check(path: Path) -> None:
    if not path.is_file():
        raise BadImage(f"{path} is {'a folder' if path.is_dir() else 'missing'}, not an image file. Check the path.")
    if path.stat().st_size == 0:
        raise BadImage(f"{path.name} is empty. Copy or export it again.")
    if path.suffix.lower() not in SUFFIXES:
        raise BadImage(f"{path.name} is not one of {', '.join(SUFFIXES)}. Convert it to TIFF.")


def _read_file(path: Path, scene: str, *, pixels: bool, axes: str | None, labels: bool) -> ImageData:
    suffix = path.suffix.lower()
    if is_bio(path):
        return _with_axes(read_bio(path, _number(path, scene), pixels=pixels), axes)
    if suffix in (".tif", ".tiff"):
        return read_tiff(path, pixels=pixels, labels=labels, axes=axes, series=_number(path, scene) if scene else None)
    if scene:
        raise BadImage(f"{path.name} holds a single image, so there is no {path.name}/{scene}. Choose {path.name}.")
    if suffix == ".npy":
        return _read_npy(path, axes)
    return read_picture(path, pixels=pixels, labels=labels)


def _number(path: Path, scene: str) -> int:
    names = scene_names(path)
    return number_of(path, names, scene) if scene else only(path, names)


def _read_zarr(path: Path, *, pixels: bool, axes: str | None) -> ImageData:
    names = scene_names(path)
    within = names[only(path, names)]
    return read_zarr(path / within if within else path, pixels=pixels, axes=axes)


def _with_axes(image: ImageData, axes: str | None) -> ImageData:
    return image if axes is None else replace(image, axes=given_axes(image.name, image.data.shape, axes))


def read_plane(path: Path, index: tuple[int, ...] = (), *, axes: str | None = None) -> np.ndarray:
    """Read a two-dimensional image, or one plane of a stack, as (C, H, W).

    Parameters
    ----------
    index
        Position on the axes of `ImageData.leading`.
    axes
        As in `read_image`.

    Raises
    ------
    BadImage
        As `read_image`, and if the file has no such plane, or has several and no position is given.
    """
    image = read_image(path, axes=axes)
    if len(index) != len(image.leading) and image.other_axes:
        other = read_image(path, axes=image.other_axes)
        image = other if len(index) == len(other.leading) else image
    wanted = image.index(index)
    planes = zip(np.ndindex(*image.leading), image.planes(), strict=True)
    return next(plane for place, (_, plane) in planes if place == wanted)


def read_header(path: Path, *, axes: str | None = None, leading: tuple[int, ...] | None = None) -> ImageData:
    """An image file as `read_image` gives it, but without its pixels, which are all zero.

    Raises
    ------
    BadImage
        As `read_image`, as far as the file's header shows.
    """
    return _with_planes(_read(Path(path), pixels=False, axes=axes), Path(path), leading, pixels=False)


def read_channel_names(path: Path) -> list[str] | None:
    """Names of an image's channels, from the header of its file; None if it has none.

    Raises
    ------
    BadImage
        As `read_header`.
    """
    if file_of(Path(path)).suffix.lower() in _NAMELESS:
        return None
    return list(read_header(path).channel_names) or None


def plane_shape(path: Path) -> tuple[int, int]:
    """(H, W) of an image, from the header of its file.

    Raises
    ------
    BadImage
        If it is not an image, or cannot be read.
    """
    return read_header(path).plane_shape


def _read_npy(path: Path, axes: str | None) -> ImageData:
    try:
        data = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise BadImage(
            f"{path.name} cannot be read as an array of numbers: {error}. Save it again with numpy.save."
        ) from error
    read, other = (
        (given_axes(path.name, data.shape, axes), "") if axes is not None else guess_axes(path.name, data.shape)
    )
    note = doubt(path.name, data.shape, read, other)
    at = read.find("S")
    if at >= 0 and data.shape[at] == 4:  # RGBA: opacity is no channel
        if axes is None:
            note = (
                f"{path.name} does not name its axes: the last one was read as red, green, blue and opacity, which is left "
                f"out. If they are channels, use --axes {read.replace('S', 'C')}."
            )
        data = np.moveaxis(data, at, -1)[..., :3]
        read = read.replace("S", "") + "S"
    return ImageData(data, read, path.stem, note=note, other_axes=other)
