"""An image in memory: an array with named axes, and whether it fits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from napari_centermask.core.errors import BadImage


@dataclass(frozen=True)
class ImageData:
    """An image and its axes.

    Attributes
    ----------
    data
        Array of bool, integers or floats; a large TIFF may be a memory map.
    axes
        One letter per axis: Y, X, C or S (samples: RGB), Z, T.
    name
        File name without suffix.
    pixel_sizes_um
        Height and width of a pixel in micrometres; None if the file does not give them.
    channel_names
        Names along the axis C; empty if the file has none.
    note
        How an ambiguous file was read and how to change that; empty if the file was clear.
    other_axes
        Axes that an ambiguous file can also be read with; empty if there are none.
    """

    data: np.ndarray
    axes: str
    name: str
    pixel_sizes_um: tuple[float, float] | None = None
    channel_names: tuple[str, ...] = ()
    note: str = ""
    other_axes: str = ""

    @property
    def reading(self) -> str:
        """How an ambiguous file was read, without the flag that changes it; empty if it was clear."""
        size = " x ".join(map(str, self.data.shape))
        return f"The file does not name its axes: {size} was read as {self.axes}." if self.note else ""

    @property
    def pixel_size_um(self) -> float | None:
        """Side in micrometres of a square pixel of the same area; None if the file does not give it."""
        if self.pixel_sizes_um is None:
            return None
        height, width = self.pixel_sizes_um
        return height if height == width else (height * width) ** 0.5

    @property
    def leading(self) -> tuple[int, ...]:
        """Sizes of the axes before channels, height and width, in the order of `planes`."""
        return tuple(n for a, n in zip(self.axes, self.data.shape, strict=True) if a not in "CSYX")

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(H, W)."""
        sizes = dict(zip(self.axes, self.data.shape, strict=True))
        return sizes["Y"], sizes["X"]

    def index(self, position: tuple[int, ...] = ()) -> tuple[int, ...]:
        """A position on the axes of `leading`; a single plane needs none.

        Raises
        ------
        BadImage
            If there is no such plane, or there are several and no position is given.
        """
        leading = self.leading
        if not position and math.prod(leading) != 1:
            raise BadImage(
                f"{self.name} has {math.prod(leading)} planes (axes {self.axes}), but only one can be used. "
                "Choose one, or segment the stack."
            )
        position = position or (0,) * len(leading)
        if len(position) != len(leading) or any(not 0 <= i < n for i, n in zip(position, leading, strict=True)):
            raise BadImage(
                f"{self.name} has no plane {position}: its stack is {leading} (axes {self.axes}). Choose another plane."
            )
        return position

    def planes(self) -> Iterator[tuple[str, np.ndarray]]:
        """Label ("" for a single plane, else "T0 Z3") and (C, H, W) array of every plane."""
        axes = self.axes.replace("S", "C")
        data = self.data
        if "C" not in axes:
            data, axes = data[None], "C" + axes
        stacked = [a for a in axes if a not in "CYX"]
        order = [axes.index(a) for a in (*stacked, "C", "Y", "X")]
        data = data.transpose(order)
        for index in np.ndindex(*data.shape[: len(stacked)]):
            yield " ".join(f"{a}{i}" for a, i in zip(stacked, index, strict=True)), data[index]


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
