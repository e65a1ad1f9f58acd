"""Decoded images on the disk, for data sets that are larger than memory: tiles read only their part of a file."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.array import Array
from napari_centermask.core.errors import CannotSave, UserError
from napari_centermask.io.whole_file import whole_file

DECODED = "decoded"
"""The folder of the decoded images in a run folder; it is removed when the run has ended, but not when it was stopped."""
_OURS = re.compile(r"\.?[0-9a-f]{32}\.raw(\.\d+\.part)?")
"""Names of the files in it, and of those that a killed process left half written."""


@dataclass(frozen=True)
class StoredImage:
    """An image in a file of its raw values; each part is read when it is sliced, and nothing stays in memory.

    Attributes
    ----------
    path
        Its file.
    shape
        (C, H, W).
    dtype
        Of the values.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, index: Any, /) -> np.ndarray:
        """A copy of a part; raises `UserError` if the file is gone."""
        return np.array(self.opened()[index])

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> np.ndarray:
        """The whole image."""
        return np.array(self.opened(), dtype=dtype)

    def opened(self) -> np.ndarray:
        """The whole image, of which only those parts are read that are used; raises `UserError` if the file is gone."""
        try:
            return np.memmap(self.path, self.dtype, mode="r", shape=self.shape)
        except (OSError, ValueError) as error:
            raise UserError(
                f"The decoded image {self.path} is gone or cut short. Resume the run: it is made again."
            ) from error


def opened(image: Array) -> np.ndarray:
    """An image that a store has kept, of which only those parts are read that are used."""
    return np.asarray(image.opened() if isinstance(image, StoredImage) else image)


class ImageStore:
    """Keeps images in memory as long as there is room, and the others in files that all processes of a machine share.

    Parameters
    ----------
    folder
        Of the files; made when the first is written.
    limit_mb
        Megabytes of images in memory, all together.
    """

    def __init__(self, folder: Path, limit_mb: float) -> None:
        self.folder = Path(folder)
        self._left = limit_mb * 1e6

    def takes(self, size: int) -> bool:
        """Whether there is room in memory for so many bytes, which are then taken."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def keep(self, image: np.ndarray, source: str) -> Array:
        """The image, or the same in a file.

        Parameters
        ----------
        image
            (C, H, W), or any other array.
        source
            What the image was made of: its file, when that was written, its plane and its corrections. Images of the same
            source are written once.

        Raises
        ------
        CannotSave
            If the disk is full or the folder cannot be written.
        """
        if self.takes(image.nbytes):
            return image
        key = hashlib.sha256(f"{source} {image.shape} {image.dtype.str}".encode()).hexdigest()[:32]
        stored = StoredImage(self.folder / f"{key}.raw", image.shape, image.dtype)
        if not (stored.path.is_file() and stored.path.stat().st_size == image.nbytes):
            self._write(image, stored.path)
        return stored

    def release(self, image: Array) -> None:
        """Count an image that was kept no more, as another takes its place."""
        if isinstance(image, np.ndarray):
            self._left += image.nbytes

    def _write(self, image: np.ndarray, path: Path) -> None:
        try:
            with whole_file(path) as part:
                np.ascontiguousarray(image).tofile(part)
        except CannotSave as error:
            raise CannotSave(
                f"{error} Images beyond 'images_in_memory_mb' are decoded there: make room, or raise that number."
            ) from error


def remove_decoded(run: Path) -> None:
    """Remove the decoded images of a run folder, if it has any, and nothing else that lies there."""
    folder = Path(run) / DECODED
    for path in folder.iterdir() if folder.is_dir() else ():
        if _OURS.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()
    with suppress(OSError):  # if there is something else in it
        folder.rmdir()
