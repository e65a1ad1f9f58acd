"""What kinds of images files show, by a look at some of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_centermask.core.image_kind import Kind, image_kind
from napari_centermask.io.images import read_image

_LOOKED_AT = 20  # images of a folder whose kind is looked at: a choice, half a second


def some_of(paths: Sequence[Path]) -> list[Path]:
    """The images of a folder that stand for all of them: about 20, evenly drawn."""
    return list(paths[:: max(1, len(paths) // _LOOKED_AT)])


def file_kind(path: Path) -> Kind | None:
    """The kind of the first plane of an image file; None if that cannot be seen.

    Raises
    ------
    BadImage
        If it cannot be read.
    """
    image = read_image(path)
    _, plane = next(image.planes())
    return image_kind(plane, is_rgb="S" in image.axes)
