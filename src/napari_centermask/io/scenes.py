"""Files that hold several images: which they hold, and those that a person chose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_centermask.core.errors import BadImage
from napari_centermask.io import bio, tiff, zarr_images
from napari_centermask.io.scene_paths import is_zarr_name, split

_FEW = 5  # names in a message


def scene_names(path: Path) -> list[str]:
    """Names of the images in a file, as they stand behind it in a path; one name if it holds a single image.

    Raises
    ------
    BadImage, MissingExtra
        If it cannot be read.
    """
    if is_zarr_name(split(path)[0]):
        return zarr_images.scene_names(path)
    if bio.is_bio(path):
        return bio.scene_names(path)
    if path.suffix.lower() in (".tif", ".tiff"):
        return tiff.series_names(path)[0]
    return [""]


def images_of(path: Path) -> list[Path]:
    """The images of a file, each with its path; the file itself if it holds one, or clearly one main image.

    Raises
    ------
    BadImage, MissingExtra
        If it cannot be read.
    """
    file, scene = split(path)
    if scene and not is_zarr_name(file):
        return [path]
    if path.suffix.lower() in (".tif", ".tiff") and tiff.series_names(path)[1] is not None:
        return [path]
    names = scene_names(path)
    return [path] if len(names) < 2 else [path / name for name in names]


def choose(path: Path, scenes: Sequence[str]) -> list[Path]:
    """Images of a file by their names, or their numbers from 0.

    Raises
    ------
    BadImage
        If the file has no such image.
    """
    names = scene_names(path)
    chosen = [number_of(path, names, scene) for scene in scenes]
    return [path / names[n] if names[n] else path for n in dict.fromkeys(chosen)]


def number_of(path: Path, names: Sequence[str], scene: str) -> int:
    """The number of a scene.

    Raises
    ------
    BadImage
        If there is none of this name or number.
    """
    if scene in names:
        return list(names).index(scene)
    if scene.isdecimal() and int(scene) < len(names):
        return int(scene)
    raise BadImage(f"{path.name} has no image {scene}, but {listed(names)}. Choose one of them.")


def only(path: Path, names: Sequence[str]) -> int:
    """The number of the only image.

    Raises
    ------
    BadImage
        If there are several; the message names them and says how to choose.
    """
    if len(names) == 1:
        return 0
    raise BadImage(
        f"{path.name} holds {len(names)} images: {listed(names)}. Choose one with --scenes, or as {path.name}/{names[0]}."
        if names
        else f"{path.name} holds no image. Export it again."
    )


def listed(names: Sequence[str]) -> str:
    """The first names."""
    return ", ".join(names[:_FEW]) + (", ..." if len(names) > _FEW else "")
