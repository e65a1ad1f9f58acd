"""Small pictures of a project's images, made off the GUI thread."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np
from qtpy.QtGui import QImage, QPixmap

SIDE = 56
_LARGEST = 400 * 2**20  # bytes; larger files get no picture


def thumbnails(images: Sequence[tuple[int, Path]]) -> Generator[tuple[int, np.ndarray], None, None]:
    """Yield (id, (h, w, 3) uint8) of the images that can be read; for a worker thread."""
    from napari_centermask.core.errors import BadImage
    from napari_centermask.io.images import read_image

    for id, path in images:
        try:
            if path.stat().st_size > _LARGEST:
                continue
            plane = next(read_image(path).planes())[1]
        except (OSError, BadImage, StopIteration):
            continue
        yield id, small(plane)


def small(plane: np.ndarray, *, side: int = SIDE) -> np.ndarray:
    """A plane (C, H, W) as a picture of at most `side` pixels: RGB unchanged, else the first channel with its contrast stretched.

    Returns
    -------
    numpy.ndarray
        (h, w, 3) uint8.
    """
    step = max(1, -(-max(plane.shape[1:]) // side))
    part = np.nan_to_num(np.asarray(plane[:, ::step, ::step], np.float32))
    channels = part if len(part) == 3 else part[:1]
    low, high = np.percentile(channels, (0.5, 99.7))
    if len(channels) == 3 and plane.dtype == np.uint8:
        low, high = 0.0, 255.0
    scaled = np.clip((channels - low) / max(high - low, 1e-6), 0, 1) * 255
    return np.ascontiguousarray(np.broadcast_to(scaled.astype(np.uint8), (3, *scaled.shape[1:])).transpose(1, 2, 0))


def pixmap(picture: np.ndarray) -> QPixmap:
    """A (h, w, 3) uint8 picture for Qt."""
    height, width, _ = picture.shape
    return QPixmap.fromImage(QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888))
