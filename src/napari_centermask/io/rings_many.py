"""The outlines of many cells at once: the same as `rings.trace` for one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from napari_centermask.core.instances import Instance
from napari_centermask.io.rings import IS_CORNER, Polygon

_PART = 1 << 20
"""Pixels of one step: what stays in a processor's cache."""


def trace_all(cells: Sequence[Instance]) -> Iterator[list[Polygon]]:
    """`rings.trace` of each cell at its place in the image."""
    start = height = width = 0
    for k, cell in enumerate(cells):
        h, w = cell.mask.shape
        if k > start and (height + h + 1) * max(width, w + 2) > _PART:
            yield from _traced(cells[start:k])
            start, height, width = k, 0, 0
        height, width = height + h + 1, max(width, w + 2)
    if start < len(cells):
        yield from _traced(cells[start:])


def _traced(cells: Sequence[Instance]) -> Iterator[list[Polygon]]:
    """Of cells of one part each, whose boundaries do not meet; the others in a second step."""
    array, tops, bottoms = _stacked(cells)
    y, x, kind = _corners(array)
    cell_of = np.searchsorted(bottoms, y, "right")
    is_crossed = np.zeros(len(cells), bool)
    is_crossed[cell_of[_are_crossings(kind)]] = True
    kept = ~is_crossed[cell_of]
    y, x, cell_of = y[kept], x[kept], cell_of[kept]
    rings = _Rings(x, y, _partners(_by_column(cell_of, x, array.shape[1])), array)
    outlines = rings.polygons(np.searchsorted(bottoms, rings.y, "right"), len(cells))
    single = [p if len(p) > 0 and rings.is_one_part(p) else None for p in outlines]
    several = _traced_parts([cell for cell, rings_of in zip(cells, single, strict=True) if rings_of is None])
    for cell, top, rings_of in zip(cells, tops, single, strict=True):
        yield next(several) if rings_of is None else [rings.shifted(rings_of, cell.x0, cell.y0 - top + 1)]


def _traced_parts(cells: Sequence[Instance]) -> Iterator[list[Polygon]]:
    """Of any cells: each 4-connected part has its own rings."""
    if not cells:
        return
    from scipy.ndimage import label

    array, tops, bottoms = _stacked(cells)
    parts, n_parts = label(array)
    y, x, kind = _corners(array)
    is_crossing = _are_crossings(kind)
    twice = is_crossing + 1
    # Corners at which two boundaries pass are there twice; the first goes left, the second right. Where both pixels are of one
    # part, boundaries turn around the empty pixels, so that none touches itself, else around the pixels of each part.
    across = np.where(kind == 9, parts[y, x] == parts[y + 1, x + 1], parts[y, x + 1] != parts[y + 1, x]) & is_crossing
    y, x, is_swapped = np.repeat(y, twice), np.repeat(x, twice), np.repeat(across, twice)
    cell_of = np.searchsorted(bottoms, y, "right")
    by_column = _by_column(cell_of, x, array.shape[1])
    swapped = np.flatnonzero(is_swapped[by_column])
    by_column[swapped] = by_column[swapped.reshape(-1, 2)[:, ::-1].ravel()]
    rings = _Rings(x, y, _partners(by_column), array)
    part_of = np.where(rings.is_outer, parts[rings.y + 1, rings.x + 1], parts[rings.y, rings.x + 1]) - 1
    polygons = rings.polygons(part_of, n_parts)
    first_of_part = np.full(n_parts, len(bottoms))
    first_of_part[part_of] = np.searchsorted(bottoms, rings.y, "right")
    ends = np.searchsorted(first_of_part, np.arange(len(cells)), "right").tolist()
    for cell, top, begin, end in zip(cells, tops, [0, *ends], ends, strict=False):
        yield [rings.shifted(polygon, cell.x0, cell.y0 - top + 1) for polygon in polygons[begin:end]]


def _stacked(cells: Sequence[Instance]) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Masks one below the other in one array, with an empty row between them; the first row of each, and that below it."""
    heights = np.array([c.mask.shape[0] for c in cells])
    bottoms = np.cumsum(heights + 1)
    tops = (bottoms - heights).tolist()
    array = np.zeros((int(bottoms[-1]) + 1, max(c.mask.shape[1] for c in cells) + 2), np.int8)
    for cell, top in zip(cells, tops, strict=True):
        h, w = cell.mask.shape
        array[top : top + h, 1 : w + 1] = cell.mask
    return array, tops, bottoms


def _corners(array: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(y, x, pattern of the four pixels around it) of the corners of boundaries, row by row."""
    rows = array[:, :-1] + 2 * array[:, 1:]
    pattern = rows[:-1] + 4 * rows[1:]
    y, x = np.nonzero(IS_CORNER[pattern])
    return y, x, pattern[y, x]


def _are_crossings(kind: np.ndarray) -> np.ndarray:
    """(n,) bool: whether two pixels meet at a corner, so that two boundaries pass."""
    are_crossings: np.ndarray = (kind == 6) | (kind == 9)
    return are_crossings


class _Rings:
    """The boundaries of many cells in one array.

    Parameters
    ----------
    x, y
        Their corners row by row; a corner that two boundaries pass is there twice.
    down
        The other end of the vertical edge of each corner.
    array
        The masks.

    Attributes
    ----------
    x, y
        (rings,) the top-most left-most corner of each.
    is_outer
        (rings,) bool: whether it is the outer ring of a part, and not that of a hole.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, down: np.ndarray, array: np.ndarray) -> None:
        order, sizes = _chains(down)
        x, y = x[order], y[order]
        starts = np.cumsum(sizes) - sizes
        after = np.arange(1, len(order) + 1)
        after[starts + sizes - 1] = starts
        areas = np.add.reduceat(x * y[after] - x[after] * y, starts) if len(starts) else np.zeros(0, np.int64)
        self.x, self.y = x[starts], y[starts]
        self.is_outer = array[self.y + 1, self.x + 1] > 0  # the pixel below the top-most left-most corner
        is_turned = (areas > 0) != self.is_outer
        ring = np.repeat(np.arange(len(starts)), sizes)
        place = np.arange(len(order))
        place = np.where(is_turned[ring], 2 * starts[ring] + sizes[ring] - 1 - place, place)
        self._points = np.stack([x[place], y[place]], axis=1)
        self._areas = np.where(is_turned, -areas, areas).tolist()
        self._bounds = [*starts.tolist(), len(order)]

    def polygons(self, group: np.ndarray, n: int) -> list[list[int]]:
        """The rings of each of n groups, from that of the largest area to the holes."""
        order = np.argsort(group, kind="stable")
        first = np.searchsorted(group[order], np.arange(n + 1)).tolist()
        rings = order.tolist()
        return [
            rings[a:b] if b - a < 2 else sorted(rings[a:b], key=self._areas.__getitem__, reverse=True)
            for a, b in zip(first, first[1:], strict=False)
        ]

    def is_one_part(self, rings: list[int]) -> bool:
        """Whether only the first of sorted rings is an outer one."""
        return len(rings) < 2 or self._areas[rings[1]] < 0

    def shifted(self, rings: list[int], dx: int, dy: int) -> Polygon:
        """The points of rings."""
        return [self._points[self._bounds[r] : self._bounds[r + 1]] + (dx, dy) for r in rings]


def _by_column(cell_of: np.ndarray, x: np.ndarray, width: int) -> np.ndarray:
    """The order of corners column by column, cell after cell."""
    return np.argsort(cell_of * width + x, kind="stable")


def _partners(by_column: np.ndarray) -> np.ndarray:
    """The other end of the vertical edge of each corner, given their order by column; those of a row pair up side by side."""
    partners = np.empty(len(by_column), np.int64)
    partners[by_column] = by_column[np.arange(len(by_column)) ^ 1]
    return partners


def _chains(down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners in the order of their boundaries, and how many each has: along a row, along a column, and so on."""
    after = down[np.arange(len(down)) ^ 1].tolist()
    left = bytearray(b"\x01") * len(after)
    chain: list[int] = []
    sizes: list[int] = []
    for start in range(len(after)):
        if left[start]:
            at, before = start, len(chain)
            while left[at]:
                left[at] = left[at ^ 1] = 0
                chain.append(at)
                at = after[at]
            sizes.append(2 * (len(chain) - before))
    first = np.array(chain, np.int64)
    return np.stack([first, first ^ 1], axis=1).ravel(), np.array(sizes, np.int64)
