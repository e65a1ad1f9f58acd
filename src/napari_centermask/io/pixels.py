"""What reading an image may take."""

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
    """Refuse what this computer's memory cannot hold before it is tried.

    Raises
    ------
    BadImage
        With both sizes.
    """
    need, have = math.prod(shape) * itemsize, psutil.virtual_memory().total
    if need > have:
        size = " x ".join(map(str, shape))
        raise BadImage(
            f"{path.name} says it holds {size} pixels, {need / 2**30:,.0f} GB, and this computer has {have / 2**30:,.0f} GB "
            "of memory. Save it without compression, cut it into parts, or export it again if it is damaged."
        )
