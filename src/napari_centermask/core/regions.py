"""Parts of an image plane: polygons that a person drew, or what is in view.."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_centermask.core.instances import Box


def contains(polygons: Sequence[np.ndarray], point: tuple[float, float]) -> bool:
    """Whether (y, x) lies inside one of the polygons, each (n, 2) y, x; even-odd rule."""
    return any(_inside(np.asarray(p, float), point) for p in polygons)


def _inside(polygon: np.ndarray, point: tuple[float, float]) -> bool:
    y, x = point
    y0, x0 = polygon.T
    y1, x1 = np.roll(polygon, -1, axis=0).T
    crosses = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return bool(np.count_nonzero(crosses & (x < at)) % 2)


def window(polygons: Sequence[np.ndarray], shape: tuple[int, int], *, margin: float = 0.0) -> Box | None:
    """The box around all polygons, widened by `margin` pixels and cut to the image; None if nothing is left."""
    if not polygons:
        return None
    points = np.concatenate([np.asarray(p, float) for p in polygons])
    low = np.maximum(np.floor(points.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(points.max(axis=0) + margin), shape).astype(int)
    if (high <= low).any():
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def rectangle(y0: float, x0: float, y1: float, x1: float) -> np.ndarray:
    """(4, 2) corners of a box."""
    return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)], float)


def ellipse(corners: np.ndarray, *, n: int = 64) -> np.ndarray:
    """(n, 2) polygon of the ellipse in a napari ellipse's four corners (4, 2)."""
    centre = corners.mean(axis=0)
    half_a, half_b = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)[:, None]
    return centre + np.cos(t) * half_a + np.sin(t) * half_b
