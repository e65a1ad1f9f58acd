"""What an image may be: anything that is sliced like an array."""

from __future__ import annotations

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
