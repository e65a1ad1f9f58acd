"""Memory for reading an image."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import psutil

from napari_centermask.core.errors import BadImage


def zeros(shape: tuple[int, ...], dtype: np.dtype | type = np.uint8) -> np.ndarray:
    """Zeros that take no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def check_memory(path: Path, shape: tuple[int, ...], itemsize: int) -> None:
    """Refuse an image that does not fit into this computer's memory, before reading it.

    Raises
    ------
    BadImage
        With the size of the image and of the memory.
    """
    need, have = math.prod(shape) * itemsize, psutil.virtual_memory().total
    if need > have:
        size = " x ".join(map(str, shape))
        raise BadImage(
            f"{path.name} has {size} pixels by its header, {need / 2**30:,.0f} GB, but this computer has {have / 2**30:,.0f} GB "
            "of memory. Save it without compression, cut it into parts, or export it again if it is damaged."
        )
