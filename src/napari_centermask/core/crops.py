"""Square crops around cells, all of one size, as input of a classifier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import map_coordinates

from napari_centermask.core.instances import Instance


def cell_crops(image: np.ndarray, cells: Sequence[Instance], *, side: int, context: float) -> np.ndarray:
    """Crop a square around each cell, scaled by the cell's size; beyond the image, edge pixels are repeated.

    Parameters
    ----------
    image
        (C, H, W) float32.
    side
        Side of each crop in pixels.
    context
        Side of the square in the image, relative to the longer side of the cell's box.

    Returns
    -------
    numpy.ndarray
        (N, C + 1, side, side) float32; the last channel is the cell's mask in [0, 1].
    """
    out = np.zeros((len(cells), len(image) + 1, side, side), np.float32)
    for k, cell in enumerate(cells):
        y0, x0, y1, x1 = cell.box
        step = context * max(y1 - y0, x1 - x0) / side
        offsets = (np.arange(side) + 0.5 - side / 2) * step - 0.5  # pixel centres are at whole numbers
        grid = np.stack(np.meshgrid((y0 + y1) / 2 + offsets, (x0 + x1) / 2 + offsets, indexing="ij"))
        low = np.maximum(np.floor(grid.min(axis=(1, 2))).astype(int) - 1, 0)
        high = np.maximum(np.ceil(grid.max(axis=(1, 2))).astype(int) + 2, low + 1)
        seen = np.asarray(image[:, low[0] : high[0], low[1] : high[1]], np.float32)
        inside = grid - low[:, None, None]
        for c, channel in enumerate(seen):
            out[k, c] = map_coordinates(channel, inside, order=1, mode="nearest")
        own = grid - np.array([y0, x0])[:, None, None]
        out[k, -1] = map_coordinates(cell.mask.astype(np.float32), own, order=1, mode="grid-constant")
    return out
