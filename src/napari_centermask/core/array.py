"""What an image may be: anything that is sliced like an array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class Array(Protocol):
    """A numpy array, a memory map, or a dask or zarr array, read where it is sliced."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""

    def __getitem__(self, index: Any, /) -> Any:
        """The part of numbers and slices, which `numpy.asarray` turns into an array."""


@dataclass(frozen=True)
class OneChannel:
    """A lazy view of one channel."""

    image: Array
    channel: int

    @property
    def shape(self) -> tuple[int, ...]:
        return 1, *self.image.shape[1:]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the image."""
        return self.image.dtype

    def __getitem__(self, index: tuple[slice, slice, slice]) -> Any:
        return self.image[(slice(self.channel, self.channel + 1), *index[1:])]
