"""Cells from maps of pixels: seeds grown by a watershed, which gives no overlapping cells.

Seeds are pixels far from their cell's edge, according to a map predicted by the network or to the shape of the
foreground. They grow through the foreground along the depth (Meyer, Topographic distance and watershed lines, 1994).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

_EIGHT = np.ones((3, 3), bool)
_TRUNCATE = 3  # sigmas, which hold 99.7 % of a Gaussian; scipy's default of 4 reads a third more pixels


@dataclass(frozen=True)
class Region:
    """One cell of a label image.

    Attributes
    ----------
    y0, x0
        Place of the crop in the label image.
    mask
        (h, w) bool, tight.
    score
        Mean probability of the foreground inside, in [0, 1].
    probabilities
        (n,) of each category: its mean inside divided by that of the foreground; sums to 1.
    """

    y0: int
    x0: int
    mask: np.ndarray
    score: float
    probabilities: np.ndarray

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 in pixels of the label image (edges)."""
        return self.x0, self.y0, self.x0 + self.mask.shape[1], self.y0 + self.mask.shape[0]


def separate(
    foreground: np.ndarray,
    *,
    border: np.ndarray | None = None,
    distance: np.ndarray | None = None,
    threshold: float,
    seed: float,
    smoothing: float,
    diameter: float,
) -> np.ndarray:
    """Divide the foreground into cells.

    Parameters
    ----------
    foreground
        (H, W) float, probability that a pixel belongs to a cell.
    border
        (H, W) float, probability that cells touch or end here; optional.
    distance
        (H, W) float in [0, 1], distance to the cell's edge divided by its maximum in the cell; optional.
    threshold
        Pixels of at least this foreground belong to cells.
    seed
        A cell begins in each connected part where the depth is at least this. The depth is distance - border; without
        a distance, foreground - 2 border; with neither, the squared distance to the background divided by the
        largest value nearby.
    smoothing
        Sigma in pixels of a Gaussian on the depth.
    diameter
        Diameter of a typical cell, in pixels.

    Returns
    -------
    numpy.ndarray
        (H, W) int32; 0 is background. A connected part of the foreground without a seed is one cell.
    """
    from skimage.segmentation import watershed

    mask = foreground >= threshold
    depth = _depth(mask, foreground, border, distance, diameter)
    if smoothing > 0:
        depth = ndimage.gaussian_filter(depth, smoothing, mode="nearest", truncate=_TRUNCATE)
    parts, n_parts = ndimage.label(mask, structure=_EIGHT)
    seeds, _ = ndimage.label(mask & (depth >= seed), structure=_EIGHT)
    crowded = _crowded(parts, seeds, n_parts)[parts]
    if not crowded.any():
        return parts.astype(np.int32, copy=False)
    seeds = np.where(crowded, seeds, 0)
    core = ndimage.minimum_filter(seeds > 0, footprint=_EIGHT)  # cannot change: only the rims of the seeds need to grow
    grown = watershed(-depth, np.where(core, 0, seeds), mask=crowded & ~core, connectivity=_EIGHT)
    return np.where(crowded, np.where(core, seeds, grown) + n_parts, parts).astype(np.int32, copy=False)


def regions(labels: np.ndarray, classes: np.ndarray) -> list[Region]:
    """The cells of a label image, with their categories from the class maps.

    Parameters
    ----------
    labels
        (H, W) int; 0 is background.
    classes
        (1 + n, H, W) float probabilities, background first.
    """
    inside = labels > 0
    ids = labels[inside]
    area = np.bincount(ids)
    means = np.stack([np.bincount(ids, weights=c[inside]) / np.maximum(area, 1) for c in classes[1:]], axis=1)
    cells = []
    for k, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is not None:
            score = float(means[k].sum())
            parts = means[k] / score if score > 0 else np.full(len(means[k]), 1 / len(means[k]))
            cells.append(Region(window[0].start, window[1].start, labels[window] == k, min(score, 1.0), parts))
    return cells


def _crowded(parts: np.ndarray, seeds: np.ndarray, n_parts: int) -> np.ndarray:
    """(n_parts + 1,) bool: which parts hold more than one seed."""
    inside = seeds > 0
    owner = np.zeros(int(seeds.max()) + 1, np.int64)  # each seed lies within one part
    owner[seeds[inside]] = parts[inside]
    crowded = np.bincount(owner[1:], minlength=n_parts + 1) > 1
    crowded[0] = False
    return crowded


def _depth(
    mask: np.ndarray, foreground: np.ndarray, border: np.ndarray | None, distance: np.ndarray | None, diameter: float
) -> np.ndarray:
    """(H, W) float32, large in the middle of cells."""
    if distance is not None:
        return distance if border is None else distance - border
    if border is None:
        inside = ndimage.distance_transform_edt(mask).astype(np.float32)
        widest = ndimage.maximum_filter(inside, size=max(3, round(diameter)))
        return (inside / np.maximum(widest, 1)) ** 2  # squared, as where cells touch it falls to half and not to zero
    depth: np.ndarray = foreground - 2 * border  # smoothing halves a line of two pixels
    return depth
