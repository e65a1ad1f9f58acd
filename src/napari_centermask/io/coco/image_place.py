"""Where the image of a COCO record lies, so that a file of cells reopens with its images wherever it was written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.image_names import IMAGE_ENDINGS
from napari_centermask.io.scene_paths import exists, file_of, is_zarr_name

PLACE = "image"
"""Under `napari_centermask` of an image: its place relative to the COCO file, or absolute on another drive."""


def with_place(extra: Mapping[str, Any], image: Path | None, file: Path, name: str) -> dict[str, Any]:
    """Fields of the record `name` with the place of its image; None, and an image of this name beside the file, need none."""
    image = None if image is None else Path(os.path.abspath(image))
    folder = Path(os.path.abspath(file)).parent
    if image is None or image == folder / PurePosixPath(name).name:
        return dict(extra)
    try:
        place = Path(os.path.relpath(image, folder)).as_posix()
    except ValueError:  # another drive
        place = image.as_posix()
    return {**extra, KEY: {**extra.get(KEY, {}), PLACE: place}}


def place_of(extra: Mapping[str, Any], file: Path) -> Path | None:
    """The image that a record names, if it is there; places on other computers are not looked up."""
    own = extra.get(KEY)
    place = own.get(PLACE) if isinstance(own, dict) else None
    if not isinstance(place, str) or not place or place.startswith(("//", "\\\\")) or "\0" in place:
        return None
    path = Path(os.path.normpath(file.absolute().parent / place))
    of = file_of(path)
    return path if (of.suffix.lower() in IMAGE_ENDINGS or is_zarr_name(of)) and exists(path) else None
