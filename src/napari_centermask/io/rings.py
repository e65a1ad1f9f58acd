"""Convert masks to polygons along pixel edges and back, exactly.

A pixel (y, x) is the square from (x, y) to (x + 1, y + 1). Polygons run along the edges of pixels, so filling them by the
usual rule (a pixel belongs to a polygon if its centre does) gives the mask back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from napari_centermask.core.errors import BadAnnotations

Ring = np.ndarray
"""(n, 2) x, y; closed by itself: the first point is not repeated at the end."""
Polygon = list[Ring]
"""The outer ring, then its holes."""

LARGEST_MASK = 1 << 28
"""Largest number of pixels in the box around a cell; larger cells are refused."""
_MOST_CROSSINGS = 1 << 23  # of an outline with the rows: a choice, 64 MB of float64


def trace(mask: np.ndarray, origin: tuple[int, int] = (0, 0)) -> list[Polygon]:
    """The outlines of a mask: one polygon for each part, with its holes.

    Parts are 4-connected; parts and holes may touch at a corner, and no ring touches itself, as OGC Simple Features
    (6.1.11) asks of valid polygons.

    Parameters
    ----------
    mask
        (h, w) bool.
    origin
        (y, x) of its first pixel in the image.

    Returns
    -------
    list of polygons
        Rings are int64; outer rings have a positive area in (x, y), holes a negative one.
    """
    rings = _rings(mask, only_apart=True)
    if rings is not None and sum(own > 0 for own, _ in rings) == 1:  # one part
        return [_polygon(rings, origin)]
    from scipy.ndimage import find_objects, label

    parts, _ = label(mask)
    return [
        _polygon(_rings(parts[window] == value) or [], (origin[0] + window[0].start, origin[1] + window[1].start))
        for value, window in enumerate(find_objects(parts), start=1)
    ]


def _polygon(rings: list[tuple[float, Ring]], origin: tuple[int, int]) -> Polygon:
    """Rings with their areas, the outer one first: it alone is positive."""
    return [ring + (origin[1], origin[0]) for _, ring in sorted(rings, key=lambda r: r[0], reverse=True)]


def keyhole(polygon: Polygon) -> Ring:
    """A polygon with holes as one ring, which enters each hole by a line and leaves it by the same line.

    By the even-odd rule such a line holds no pixel, so filling the ring gives the polygon's pixels.
    """
    ring, *holes = polygon
    for hole in holes:
        apart = np.abs(ring[:, None].astype(np.int64) - hole[None]).sum(axis=2)
        at, start = np.unravel_index(int(apart.argmin()), apart.shape)
        inner = np.roll(hole, -int(start), axis=0)
        ring = np.concatenate([ring[: at + 1], inner, inner[:1], ring[at:]])
    return ring


def area(ring: Ring) -> float:
    """Signed area by the shoelace formula; positive if x turns towards y."""
    x, y = ring[:, 0], ring[:, 1]
    inner = np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])
    return float(inner + x[-1] * y[0] - x[0] * y[-1]) / 2


IS_CORNER = np.array([bin(k).count("1") % 2 == 1 or k in (6, 9) for k in range(16)])


def _rings(mask: np.ndarray, *, only_apart: bool = False) -> list[tuple[float, Ring]] | None:
    """Boundaries of one 4-connected part with their areas, as its corners in order.

    With `only_apart`, of any parts, but None if boundaries meet at a corner.
    """
    padded = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.int8)
    padded[1:-1, 1:-1] = mask
    rows = padded[:, :-1] + 2 * padded[:, 1:]
    pattern = rows[:-1] + 4 * rows[1:]
    y, x = np.nonzero(IS_CORNER[pattern])
    kind = pattern[y, x]
    crossing = (kind == 6) | (kind == 9)  # two pixels that meet at a corner: two boundaries pass
    if crossing.any():
        if only_apart:
            return None
        twice = crossing + 1
        y, x, kind = np.repeat(y, twice), np.repeat(x, twice), np.repeat(kind, twice)
    n = len(y)
    # Corners of a row pair up to horizontal edges from left to right, corners of a column to vertical ones.
    across = np.arange(n) ^ 1
    by_column = np.argsort(x, kind="stable")
    # At a crossing the first entry goes left, the second right. Boundaries turn around the empty pixels there, so
    # with pixels at upper left and lower right (9) the left edge continues downwards: the entries change places.
    if crossing.any():
        swapped = np.flatnonzero(kind[by_column] == 9)
        by_column[swapped] = by_column[swapped.reshape(-1, 2)[:, ::-1].ravel()]
    down = np.empty(n, np.int64)
    down[by_column] = by_column[across]
    points = np.stack([x, y], axis=1)
    return [_oriented(points[chain], mask) for chain in _chains(across.tolist(), down.tolist())]


def _chains(across: list[int], down: list[int]) -> list[list[int]]:
    """Follow horizontal and vertical edges in turn until each chain closes."""
    left = [True] * len(across)
    chains = []
    for start in range(len(across)):
        if not left[start]:
            continue
        chain, at = [], start
        while left[at]:
            after = across[at]
            left[at] = left[after] = False
            chain += [at, after]
            at = down[after]
        chains.append(chain)
    return chains


def _oriented(ring: Ring, mask: np.ndarray) -> tuple[float, Ring]:
    """Signed area: positive for the outer ring, negative for a hole, by the pixel below the first, top-left corner."""
    x, y = ring[0]
    is_outer = bool(y < mask.shape[0] and x < mask.shape[1] and mask[y, x])
    size = area(ring)
    return (size, ring) if (size > 0) == is_outer else (-size, ring[::-1])


def fill(polygons: Iterable[Sequence[Ring]], shape: tuple[int, int], what: str) -> tuple[int, int, np.ndarray] | None:
    """The pixels whose centres lie in any of the polygons, by the even-odd rule within each.

    Parameters
    ----------
    polygons
        Rings of finite numbers, x, y; parts outside the image are cut off.
    shape
        (H, W) of the image.
    what
        Names the cell in messages.

    Returns
    -------
    (y0, x0, mask bool), or None if no pixel is covered.

    Raises
    ------
    BadAnnotations
        If the polygon is too large or too complex to be a cell.
    """
    polygons = [[np.asarray(r, np.float64).reshape(-1, 2) for r in rings if len(r) >= 3] for rings in polygons]
    points = [r for rings in polygons for r in rings]
    if not points:
        return None
    window = _window(np.concatenate(points), shape)
    y0, x0, y1, x1 = window
    if y1 <= y0 or x1 <= x0:
        return None
    if (y1 - y0) * (x1 - x0) > LARGEST_MASK:
        raise BadAnnotations(
            f"{what} spans {y1 - y0} x {x1 - x0}, but a cell can have at most {LARGEST_MASK:,} pixels. Remove it."
        )
    mask = np.zeros((y1 - y0, x1 - x0), bool)
    for rings in polygons:
        mask |= _even_odd(rings, window, what)
    return (y0, x0, mask) if mask.any() else None


def _window(points: np.ndarray, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    limits = np.array([shape[1], shape[0]], np.float64)
    low = np.floor(np.clip(points.min(axis=0), 0, limits)).astype(int)
    high = np.ceil(np.clip(points.max(axis=0), 0, limits)).astype(int)
    return int(low[1]), int(low[0]), int(high[1]), int(high[0])


def _even_odd(rings: Sequence[Ring], window: tuple[int, int, int, int], what: str) -> np.ndarray:
    """Each edge that crosses the middle of a row of pixels toggles all pixels to its right."""
    y0, x0, y1, x1 = window
    height, width = y1 - y0, x1 - x0
    toggles = np.zeros((height, width + 1), bool)
    for ring in rings:
        ends = np.roll(ring, -1, axis=0)
        up = ring[:, 1] > ends[:, 1]
        a, b = np.where(up[:, None], ends, ring), np.where(up[:, None], ring, ends)
        first = np.clip(np.ceil(a[:, 1] - 0.5), y0, y1).astype(np.int64)
        last = np.clip(np.ceil(b[:, 1] - 0.5), y0, y1).astype(np.int64)
        count = last - first
        total = int(count.sum())
        if total > _MOST_CROSSINGS:
            raise BadAnnotations(f"{what} has {len(ring):,} points, too many for the outline of a cell. Simplify it.")
        edge = np.repeat(np.arange(len(ring)), count)
        row = np.arange(total) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        with np.errstate(over="ignore", invalid="ignore"):
            slope = (row + 0.5 - a[edge, 1]) / (b[edge, 1] - a[edge, 1])
            x = a[edge, 0] + slope * (b[edge, 0] - a[edge, 0])
            column = np.nan_to_num(np.clip(np.ceil(x - 0.5), x0, x1), nan=x1).astype(np.int64)
        np.logical_xor.at(toggles, (row - y0, column - x0), True)
    return np.logical_xor.accumulate(toggles[:, :-1], axis=1)
