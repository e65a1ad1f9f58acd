"""Parts of an image plane: drawn polygons, or the visible part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_centermask.core.instances import Box

Region = tuple[np.ndarray, ...]
"""Polygons, each (n, 2) y, x in pixels."""


def contains(polygons: Sequence[np.ndarray], point: tuple[float, float]) -> bool:
    """Whether (y, x) lies inside one of the polygons, each (n, 2) y, x; even-odd rule.

    Examples
    --------
    >>> square = rectangle(0, 0, 4, 4)
    >>> contains([square], (1, 1)), contains([square], (1, 9))
    (True, False)
    """
    return any(_inside(np.asarray(p, float), point) for p in polygons)


def _inside(polygon: np.ndarray, point: tuple[float, float]) -> bool:
    y, x = point
    y0, x0 = polygon.T
    y1, x1 = np.roll(polygon, -1, axis=0).T
    crosses = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return bool(np.count_nonzero(crosses & (x < at)) % 2)


def windows(polygons: Sequence[np.ndarray], shape: tuple[int, int], *, margin: int = 0) -> list[Box]:
    """The boxes around polygons, widened by `margin` pixels and cut to the image; overlapping ones are merged."""
    boxes: list[Box] = []
    for polygon in polygons:
        points = np.asarray(polygon, float)
        low = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0).tolist()
        high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + margin, shape).tolist()
        if low[0] >= high[0] or low[1] >= high[1]:
            continue
        box = (low[0], low[1], high[0], high[1])
        while meets := next((b for b in boxes if _meet(b, box)), None):
            boxes.remove(meets)
            box = (*map(min, meets[:2], box[:2]), *map(max, meets[2:], box[2:]))
        boxes.append(box)
    return boxes


def _meet(a: Box, b: Box) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def rectangle(y0: float, x0: float, y1: float, x1: float) -> np.ndarray:
    """(4, 2) corners of a box."""
    return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)], float)


def rectangles(boxes: Sequence[Box]) -> Region:
    """Boxes of whole pixels (half-open) as polygons; pixel centres have whole coordinates."""
    return tuple(rectangle(y0 - 0.5, x0 - 0.5, y1 - 0.5, x1 - 0.5) for y0, x0, y1, x1 in boxes)


def ellipse(corners: np.ndarray, *, n: int = 64) -> np.ndarray:
    """(n, 2) polygon of the ellipse in a napari ellipse's four corners (4, 2)."""
    centre = corners.mean(axis=0)
    half_a, half_b = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)[:, None]
    outline: np.ndarray = centre + np.cos(t) * half_a + np.sin(t) * half_b
    return outline
