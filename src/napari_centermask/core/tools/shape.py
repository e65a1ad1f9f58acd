"""Tools that change the outline of cells, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.tools.pairs import Pair, around, chosen, drawn, pairs_of, reshaped

EIGHT = np.ones((3, 3), bool)


def fill_holes(cells: Instances, ids: Iterable[int]) -> list[Pair]:
    """Fill the holes of cells."""
    from scipy.ndimage import binary_fill_holes

    return _each(cells, ids, 0, binary_fill_holes)


def remove_debris(cells: Instances, ids: Iterable[int], min_area: int) -> list[Pair]:
    """Remove separate parts of fewer than `min_area` pixels; a cell's largest part is always kept."""

    def largest(mask: np.ndarray) -> np.ndarray:
        from scipy.ndimage import label

        parts, n = label(mask, EIGHT)
        areas = np.bincount(parts.ravel(), minlength=n + 1)
        areas[0] = 0
        keep = areas >= min(min_area, areas.max())
        keep[0] = False
        largest_part: np.ndarray = keep[parts]
        return largest_part

    return _each(cells, ids, 0, largest)


def smooth(cells: Instances, ids: Iterable[int], n: float = 1) -> list[Pair]:
    """Smooth the outline: a pixel is kept if more than half of a Gaussian of `n` pixels lies in the cell.

    Parts and holes narrower than about `n` disappear; a cell that is nowhere wider is left unchanged.
    """

    def even(mask: np.ndarray) -> np.ndarray:
        from scipy.ndimage import gaussian_filter

        smoothed = gaussian_filter(mask.astype(np.float32), n, mode="nearest", truncate=3) > 0.5
        return smoothed if smoothed.any() else mask

    return _each(cells, ids, int(np.ceil(3 * n)), even)


def grow(cells: Instances, ids: Iterable[int], n: float = 1) -> list[Pair]:
    """Add all pixels within `n` of the cell (Euclidean), inside the image."""

    def wider(mask: np.ndarray) -> np.ndarray:
        from scipy.ndimage import distance_transform_edt

        return distance_transform_edt(~mask) <= n if not mask.all() else mask

    return _each(cells, ids, int(np.ceil(n)), wider)


def shrink(cells: Instances, ids: Iterable[int], n: float = 1) -> list[Pair]:
    """Remove all pixels within `n` of the outside (Euclidean); the area beyond the image's border does not count as outside."""

    def narrower(mask: np.ndarray) -> np.ndarray:
        from scipy.ndimage import distance_transform_edt

        return distance_transform_edt(mask) > n if not mask.all() else mask

    return _each(cells, ids, 1, narrower)


def _each(cells: Instances, ids: Iterable[int], margin: int, change: Callable[[np.ndarray], np.ndarray]) -> list[Pair]:
    """Apply a function to the mask of each cell, in a window with a margin of background if the image allows."""

    def changed(cell: Instance) -> Instance | None:
        box = around(cell.box, margin, cells.shape)
        return reshaped(cell, change(drawn(cell, box)), box[:2])

    before = chosen(cells, ids)
    return pairs_of(before, {cell.id: changed(cell) for cell in before})
