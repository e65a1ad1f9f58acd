"""Which cells of a window to measure for the cell size."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.instances import Box
from napari_centermask.pipeline.model_input import ScaledInput

FEW = 3
"""Fewer cells than this say nothing about the others. A choice: the least of which the median is not an end."""

CellSizes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(N,) diameters in network pixels, (N,) scores, (N, 2) middles (x, y) in the window's pixels."""


def counting(is_cut: np.ndarray, window: Box, scaled: ScaledInput) -> np.ndarray:
    """(N,) bool, which cells to measure: not those that the window's edge cuts.

    If the window is the whole image, these count too if the others are few, as cells of such images are often cut.
    """
    is_whole = tuple(window) == (0, 0, *scaled.shape)
    return np.ones_like(is_cut) if is_whole and np.count_nonzero(~is_cut) < FEW else ~is_cut
