"""Masks as COCO polygons, on request, and what that loses.

COCO's polygons cannot have holes. Each part of a cell becomes one polygon; its holes are joined to it by a vertical cut that
is walked down and up again, which fills nothing (docs/formats.md). Without simplification the corners of pixels are
the points, and pycocotools draws the very mask again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from napari_centermask.core.counted import counted
from napari_centermask.core.instances import Instance, intersection
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.masks import outline, rasterise
from napari_centermask.io.rings import trace


@dataclass(frozen=True)
class PolygonLoss:
    """What cells lose when they are written as polygons and drawn again by pycocotools.

    Attributes
    ----------
    cells, changed
        All cells, and those that come back with other pixels.
    pixels, all_pixels
        Pixels lost or gained, and the pixels of all cells.
    worst_iou
        The lowest IoU of a cell with its copy; 1 without loss.
    """

    cells: int = 0
    changed: int = 0
    pixels: int = 0
    all_pixels: int = 0
    worst_iou: float = 1.0

    def __str__(self) -> str:
        if not self.changed:
            return "Polygons hold all cells exactly."
        part = 100 * self.pixels / max(1, self.all_pixels)
        return (
            f"Polygons change {self.changed:,} of {counted(self.cells, 'cell')}: {counted(self.pixels, 'pixel')}, "
            f"{part:.2g} % of all; "
            f"the worst keeps an IoU of {self.worst_iou:.3f}."
        )


def polygons_of(instance: Instance, *, tolerance: float = 0.0) -> list[list[float]]:
    """COCO polygons of a cell, one for each part, holes joined in.

    Parameters
    ----------
    tolerance
        How far, in pixels, a simplified outline may be off; 0 for the exact outline along pixel edges.
    """
    parts = trace(instance.mask, (instance.y0, instance.x0))
    joined = [_joined([_simple(ring, tolerance) for ring in part]) for part in parts]
    return [[float(v) for v in points.ravel()] for points in joined]


def polygon_loss(records: Iterable[ImageRecord], *, tolerance: float = 0.0) -> PolygonLoss:
    """Count what `polygons_of` would change, without writing anything."""
    cells = changed = pixels = total = 0
    worst = 1.0
    for record in records:
        for cell in record.instances:
            again = rasterise([outline(p) for p in polygons_of(cell, tolerance=tolerance)], record.shape)
            shared, area = 0, 0
            if again is not None:
                copy = replace(cell, y0=again[0], x0=again[1], mask=again[2])
                shared, area = intersection(cell, copy), copy.area
            different = cell.area + area - 2 * shared
            cells, changed = cells + 1, changed + bool(different)
            pixels, total = pixels + different, total + cell.area
            worst = min(worst, shared / (cell.area + area - shared))
    return PolygonLoss(cells, changed, pixels, total, worst)


def _simple(ring: np.ndarray, tolerance: float) -> np.ndarray:
    """The ring with fewer points (Douglas and Peucker 1973); the ring itself if nothing would be left."""
    if tolerance <= 0:
        return ring
    from skimage.measure import approximate_polygon

    closed = np.concatenate([ring, ring[:1]]).astype(float)
    simple = approximate_polygon(closed, tolerance)[:-1]
    return simple if len(simple) >= 3 else ring


def _joined(rings: list[np.ndarray]) -> np.ndarray:
    """One closed walk, (n, 2) x, y, around the outer ring and its holes: from each hole's top straight up and back."""
    path, *holes = (np.asarray(ring, dtype=float) for ring in rings)
    for hole in sorted(holes, key=lambda ring: ring[:, 1].min()):
        top = np.lexsort((hole[:, 0], hole[:, 1]))[0]
        hole = np.roll(hole, -top, axis=0)
        edge, landing = _above(path, hole[0])
        path = np.concatenate([path[: edge + 1], landing, hole, hole[:1], landing, path[edge + 1 :]])
        path = path[(path != np.roll(path, 1, axis=0)).any(axis=1)]
    return path


def _above(path: np.ndarray, point: np.ndarray) -> tuple[int, np.ndarray]:
    """The first edge of a walk straight above a point, and where it is met, (1, 2)."""
    ends = np.roll(path, -1, axis=0)
    (x0, y0), (x1, y1) = path.T, ends.T
    crosses = (np.minimum(x0, x1) <= point[0]) & (np.maximum(x0, x1) >= point[0]) & (x0 != x1)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.where(crosses, y0 + (point[0] - x0) * (y1 - y0) / (x1 - x0), -np.inf)
    y[y > point[1]] = -np.inf
    edge = int(np.argmax(y))
    if np.isfinite(y[edge]):
        return edge, np.array([[point[0], y[edge]]])
    nearest = int(np.argmin(((path - point) ** 2).sum(axis=1)))  # simplified rings may cross
    return nearest, path[nearest : nearest + 1]
