"""The shape of a cell, by the definitions of scikit-image's regionprops, from its mask alone."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.columns import solidity
from napari_centermask.core.instances import Instance

LENGTHS = ("equivalent_diameter", "major_axis", "minor_axis", "perimeter", "feret_max")
"""What is a length; measured in pixels, and in micrometres where the size of a pixel is known."""
SHAPE = (
    *("area_px", "centre_y", "centre_x", "equivalent_diameter_px", "major_axis_px", "minor_axis_px"),
    *("eccentricity", "perimeter_px", "solidity", "feret_max_px", "extent", "orientation_deg", "circularity"),
)
_MANY = 400  # points: for more, those that the largest distance cannot join are left out first


def shape_of(cell: Instance) -> dict[str, float]:
    """The values of `SHAPE`.

    scikit-image measures the axes in 2.5 ms, because it computes all moments; the six that are needed take 0.05 ms.

    Returns
    -------
    dict
        Lengths in pixels; `extent` is the part of the bounding box; `orientation_deg` the angle from the vertical to the
        major axis, in (-90, 90]; `circularity` 4 pi area / perimeter², at most 1.
    """
    from skimage.measure import perimeter

    ys, xs = np.nonzero(cell.mask)
    y, x = float(ys.mean()), float(xs.mean())
    major, minor, orientation = _axes(ys - y, xs - x)
    around = float(perimeter(cell.mask, 4))
    eccentricity = np.sqrt(max(0.0, 1 - (minor / major) ** 2)) if major > 0 else 0.0
    circularity = min(1.0, 4 * np.pi * len(ys) / around**2) if around > 0 else np.nan
    values = (
        *(len(ys), cell.y0 + y, cell.x0 + x, cell.diameter, major, minor),
        *(eccentricity, around, solidity(cell.mask), feret_max(cell.mask)),
        *(len(ys) / cell.mask.size, np.degrees(orientation), circularity),
    )
    return dict(zip(SHAPE, map(float, values), strict=True))


def _axes(y: np.ndarray, x: np.ndarray) -> tuple[float, float, float]:
    """Major and minor axis of the ellipse with the same second moments, in pixels, and the angle in radians."""
    yy, xx, yx = float(np.mean(y * y)), float(np.mean(x * x)), float(np.mean(y * x))
    middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    angle = 0.5 * np.arctan2(2 * yx, yy - xx) if half > 0 else 0.0
    return 4 * np.sqrt(middle + half), 4 * np.sqrt(max(0.0, middle - half)), float(angle)


def feret_max(mask: np.ndarray) -> float:
    """The largest distance between two points of a mask's outline, which runs half a pixel outside the centres of its pixels.

    Parameters
    ----------
    mask
        (h, w) bool, at least one pixel.
    """
    from scipy.spatial.distance import pdist

    points = np.concatenate([_ends(mask), _ends(mask.T)[:, ::-1]])
    if len(points) > _MANY:
        points = _outermost(points)
    return float(pdist(points).max())


def _ends(mask: np.ndarray) -> np.ndarray:
    """(2n, 2) y, x of both ends of every row with pixels."""
    rows = np.flatnonzero(mask.any(axis=1))
    left = mask[rows].argmax(axis=1) - 0.5
    right = mask.shape[1] - 0.5 - mask[rows, ::-1].argmax(axis=1)
    return np.concatenate([np.stack([rows, left], axis=1), np.stack([rows, right], axis=1)])


def _outermost(points: np.ndarray) -> np.ndarray:
    """The corners of the convex hull."""
    from scipy.spatial import ConvexHull

    hull: np.ndarray = points[ConvexHull(points).vertices]
    return hull
