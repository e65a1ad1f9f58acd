"""Paths of images in files that hold several: `slide.lif/Series 3` is a scene of slide.lif, as a file is in a folder.

An image of an OME-Zarr has such a path anyway: `plate.ome.zarr/A/1/0`.
"""

from __future__ import annotations

import os
from pathlib import Path

from napari_centermask.io.zarr_groups import ENDING, is_zarr

BIO_ENDINGS = (".czi", ".nd2", ".lif")
"""Of microscopes' files that bioio reads."""
HOLDERS = (*BIO_ENDINGS, ".tif", ".tiff", ENDING)
"""Of files that may hold several images."""
_NOT_IN_NAMES = '/\\:*?"<>|'


def split(path: Path) -> tuple[Path, str]:
    """The file that an image is in, and its scene there; "" for the file itself.

    A file that is gone is known by its ending.
    """
    inner = _inside_zarr(path)
    if inner is not None:
        return inner
    named = None
    for folder in path.parents:
        if _is_file(folder):
            return folder, path.relative_to(folder).as_posix()
        if folder.is_dir():
            break
        if folder.name.lower().endswith(HOLDERS):
            named = folder
    return (path, "") if named is None else (named, path.relative_to(named).as_posix())


def file_of(path: Path) -> Path:
    """The file that an image is in: the path itself but for a scene."""
    return split(path)[0]


def exists(path: Path) -> bool:
    """Whether the file of an image is there; whether it has the scene, only reading shows."""
    file, scene = split(Path(path))
    return _is_file(file) or (is_zarr_name(file) and (bool(scene) or is_zarr(file)))


def is_zarr_name(path: Path) -> bool:
    """Whether a path is named as an OME-Zarr."""
    return path.name.lower().endswith(ENDING)


def flat(path: Path) -> Path:
    """A name beside the file for what is made from a scene: slide_Series 3.lif for slide.lif/Series 3."""
    file, scene = split(path)
    return file.with_name(f"{file.stem}_{scene.replace('/', '_')}{file.suffix}") if scene else path


def flat_name(name: str) -> str:
    """A name of an image without folders in it: p_A_1_0 for plates/p.zarr/A/1/0, else the last part without its ending."""
    parts = name.split("/")
    holder = next((k for k, part in enumerate(parts[:-1]) if part.lower().endswith(HOLDERS)), len(parts) - 1)
    return "_".join((Path(parts[holder]).stem, *parts[holder + 1 :]))


def safe_names(names: list[str]) -> list[str]:
    """A name for each scene that can be part of a path, and is no other scene's."""
    safe: list[str] = []
    for number, name in enumerate(names):
        plain = "".join("_" if c in _NOT_IN_NAMES else c for c in name if c.isprintable()).strip().rstrip(".")
        plain = plain if plain.strip(".") else str(number)
        free = (plain, *(f"{plain} ({n})" for n in range(number, number + len(names))))
        safe.append(next(name for name in free if name not in safe))
    return safe


def _inside_zarr(path: Path) -> tuple[Path, str] | None:
    """The OME-Zarr that a path is, or leads into, and the way from there; None for other paths."""
    for folder in reversed((path, *path.parents)):
        if is_zarr_name(folder) and folder.is_dir():
            return folder, path.relative_to(folder).as_posix() if folder != path else ""
    return None


def _is_file(path: Path) -> bool:
    try:
        return os.path.isfile(path)
    except ValueError:  # a NUL character
        return False
