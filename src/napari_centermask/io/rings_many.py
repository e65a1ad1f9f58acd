"""The outlines of many cells at once, and the pixels within many outlines: the same as `io.rings` for one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from napari_centermask.core.instances import Instance
from napari_centermask.io.rings import IS_CORNER, Polygon, fill, trace
from napari_centermask.io.rle import Crop

_PART = 1 << 20
"""Pixels of one step: what stays in a processor's cache."""
_POINTS = 1 << 16  # of the outlines that are filled in one step
_MOST_PIXELS, _MOST_CROSSINGS = 1 << 25, 1 << 22
"""Of one step; what is beyond is filled cell by cell, and may be refused."""


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
    """Of cells one below the other in one array, with an empty row between them."""
    heights = np.array([c.mask.shape[0] for c in cells])
    bottoms = np.cumsum(heights + 1)  # the empty row below each cell
    tops = (bottoms - heights).tolist()
    array = np.zeros((int(bottoms[-1]) + 1, max(c.mask.shape[1] for c in cells) + 2), np.int8)
    for cell, top in zip(cells, tops, strict=True):
        h, w = cell.mask.shape
        array[top : top + h, 1 : w + 1] = cell.mask
    rows = array[:, :-1] + 2 * array[:, 1:]
    pattern = rows[:-1] + 4 * rows[1:]
    y, x = np.nonzero(IS_CORNER[pattern])
    kind = pattern[y, x]
    cell_of = np.searchsorted(bottoms, y, "right")
    is_crossed = np.zeros(len(cells), bool)  # two pixels that meet at a corner: that takes more care
    is_crossed[cell_of[(kind == 6) | (kind == 9)]] = True
    kept = ~is_crossed[cell_of]
    y, x, cell_of = y[kept], x[kept], cell_of[kept]
    rings = _Rings(x, y, cell_of, array)
    for k, (cell, top) in enumerate(zip(cells, tops, strict=True)):
        polygon = None if is_crossed[k] else rings.polygon(k, cell.x0, cell.y0 - top + 1)
        yield [polygon] if polygon is not None else trace(cell.mask, (cell.y0, cell.x0))


class _Rings:
    """The boundaries of many cells in one array.

    Parameters
    ----------
    x, y, cell_of
        Their corners row by row, and the cell of each; no two boundaries meet at one.
    array
        The masks.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, cell_of: np.ndarray, array: np.ndarray) -> None:
        order, sizes = _chains(_partners(cell_of * array.shape[1] + x))
        x, y = x[order], y[order]
        starts = np.cumsum(sizes) - sizes
        after = np.arange(1, len(order) + 1)
        after[starts + sizes - 1] = starts
        areas = np.add.reduceat(x * y[after] - x[after] * y, starts) if len(starts) else np.zeros(0, np.int64)
        is_outer = array[y[starts] + 1, x[starts] + 1] > 0  # the pixel below the top-most left-most corner
        is_turned = (areas > 0) != is_outer
        ring = np.repeat(np.arange(len(starts)), sizes)
        place = np.arange(len(order))
        place = np.where(is_turned[ring], 2 * starts[ring] + sizes[ring] - 1 - place, place)
        self._points = np.stack([x[place], y[place]], axis=1)
        self._areas = np.where(is_turned, -areas, areas).tolist()
        self._bounds = [*starts.tolist(), len(order)]
        of = cell_of[order][starts]
        self._first = np.searchsorted(of, np.arange(int(of[-1]) + 2 if len(of) else 1)).tolist()

    def polygon(self, cell: int, dx: int, dy: int) -> Polygon | None:
        """The outer ring and the holes of a cell, shifted; None if it has several parts."""
        rings = range(self._first[cell], self._first[cell + 1])
        if len(rings) > 1:
            if sum(self._areas[r] > 0 for r in rings) > 1:
                return None
            rings = sorted(rings, key=self._areas.__getitem__, reverse=True)  # type: ignore[assignment]
        return [self._points[self._bounds[r] : self._bounds[r + 1]] + (dx, dy) for r in rings]


def _partners(column: np.ndarray) -> np.ndarray:
    """The other end of the vertical edge of each corner, given its column; the corners of a row pair up side by side."""
    by_column = np.argsort(column, kind="stable")
    partners = np.empty(len(column), np.int64)
    partners[by_column] = by_column[np.arange(len(column)) ^ 1]
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


def fill_all(
    outlines: Sequence[Sequence[Polygon]], shape: tuple[int, int], names: Sequence[str]
) -> Iterator[Crop | None]:
    """`rings.fill` of the polygons of each cell, with its name for messages; the masks are tight.

    Raises
    ------
    BadAnnotations
        As `rings.fill`.
    """
    start = points = 0
    for k, polygons in enumerate(outlines):
        own = sum(len(r) for p in polygons for r in p)
        if k > start and (points + own > _POINTS):
            yield from _filled(outlines[start:k], shape, names[start:k])
            start, points = k, 0
        points += own
    if start < len(outlines):
        yield from _filled(outlines[start:], shape, names[start:])


def _tight(crop: Crop | None) -> Crop | None:
    if crop is None:
        return None
    y0, x0, mask = crop
    cell = Instance.from_mask(mask, (y0, x0))
    return cell.y0, cell.x0, cell.mask


def _filled(
    outlines: Sequence[Sequence[Polygon]], shape: tuple[int, int], names: Sequence[str]
) -> Iterator[Crop | None]:
    is_plain = np.array([len(p) == 1 and len(p[0]) > 0 and all(len(r) >= 3 for r in p[0]) for p in outlines])
    plain = [outlines[k][0] for k in np.flatnonzero(is_plain).tolist()]
    drawn = iter(_drawn(plain, shape) if plain else [])
    for polygons, name, is_one in zip(outlines, names, is_plain.tolist(), strict=True):
        crop = next(drawn) if is_one else "hard"
        yield _tight(fill(polygons, shape, name)) if isinstance(crop, str) else crop


def _drawn(polygons: Sequence[Polygon], shape: tuple[int, int]) -> Iterator[Crop | None | str]:
    """The crop of each polygon; "hard" where `rings.fill` is to draw it alone."""
    rings = [np.asarray(r, np.float64).reshape(-1, 2) for p in polygons for r in p]
    points = np.concatenate(rings)
    sizes = np.array([len(r) for r in rings])
    ring_starts = np.cumsum(sizes) - sizes
    per_cell = np.array([len(p) for p in polygons])
    cell_starts = ring_starts[np.cumsum(per_cell) - per_cell]
    after = np.arange(1, len(points) + 1)
    after[ring_starts + sizes - 1] = ring_starts
    cell = np.repeat(np.arange(len(polygons)), np.add.reduceat(sizes, np.cumsum(per_cell) - per_cell))
    limits = np.array([shape[1], shape[0]], np.float64)
    low = np.floor(np.clip(np.minimum.reduceat(points, cell_starts), 0, limits)).astype(np.int64)
    high = np.ceil(np.clip(np.maximum.reduceat(points, cell_starts), 0, limits)).astype(np.int64)
    (x0, y0), (w, h) = low.T, np.maximum(high - low, 0).T
    rows = np.clip(np.ceil(points[:, 1] - 0.5), y0[cell], (y0 + h)[cell])
    n_crossings = np.add.reduceat(np.abs(rows[after] - rows), cell_starts)
    is_hard = (np.cumsum(w * h) > _MOST_PIXELS) | (np.cumsum(n_crossings) > _MOST_CROSSINGS)
    w, h = np.where(is_hard, 0, w), np.where(is_hard | (w == 0), 0, h)
    offsets = np.cumsum(h * (w + 1)) - h * (w + 1)
    edge, row, column = _crossings(points, points[after], y0[cell], (y0 + h)[cell], x0[cell], (x0 + w)[cell])
    k = cell[edge]
    steps = np.zeros(int((h * (w + 1)).sum()) + 1, np.uint8)
    np.add.at(steps, offsets[k] + (row - y0[k]) * (w[k] + 1) + column - x0[k], np.uint8(1))
    filled = (np.cumsum(steps, dtype=np.uint8, out=steps) & 1).view(bool)  # each row has an even number of crossings
    is_tight = _are_tight(filled, offsets, h, w)
    boxes = zip(x0.tolist(), y0.tolist(), h.tolist(), w.tolist(), offsets.tolist(), is_tight.tolist(), strict=True)
    for n, (left, top, height, width, at, tight) in enumerate(boxes):
        mask = filled[at : at + height * (width + 1)].reshape(height, width + 1)[:, :width]
        if is_hard[n]:
            yield "hard"
        elif tight:
            yield top, left, mask.copy()
        else:
            yield _tight((top, left, mask)) if mask.any() else None


def _crossings(
    points: np.ndarray, ends: np.ndarray, y0: np.ndarray, y1: np.ndarray, x0: np.ndarray, x1: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where edges cross the middle of rows of pixels, within the window of each: (edge, row, column)."""
    up = (points[:, 1] > ends[:, 1])[:, None]
    a, b = np.where(up, ends, points), np.where(up, points, ends)
    first = np.clip(np.ceil(a[:, 1] - 0.5), y0, y1).astype(np.int64)
    last = np.clip(np.ceil(b[:, 1] - 0.5), y0, y1).astype(np.int64)
    count = last - first
    edge = np.repeat(np.arange(len(points)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    with np.errstate(over="ignore", invalid="ignore"):
        slope = (row + 0.5 - a[edge, 1]) / (b[edge, 1] - a[edge, 1])
        x = a[edge, 0] + slope * (b[edge, 0] - a[edge, 0])
        column = np.nan_to_num(np.clip(np.ceil(x - 0.5), x0[edge], x1[edge]), nan=np.inf)
    return edge, row, np.minimum(column, x1[edge]).astype(np.int64)


def _are_tight(filled: np.ndarray, offsets: np.ndarray, h: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(n,) bool: whether the first and last row and column of each crop have a pixel."""
    cell = np.repeat(np.arange(len(h)), h)
    row = np.arange(len(cell)) - np.repeat(np.cumsum(h) - h, h)
    starts = offsets[cell] + row * (w[cell] + 1)
    has = np.zeros((len(h), 4), bool)
    if len(starts):
        in_row = np.bitwise_or.reduceat(filled.view(np.uint8), starts) > 0  # the column behind the last is never filled
        has[cell[in_row & (row == 0)], 0] = True
        has[cell[in_row & (row == h[cell] - 1)], 1] = True
        has[cell[filled[starts]], 2] = True
        has[cell[filled[starts + w[cell] - 1]], 3] = True
    top, bottom, left, right = has.T
    is_tight: np.ndarray = top & bottom & left & right
    return is_tight
