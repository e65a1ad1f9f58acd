"""The pixels within many outlines at once: the same as `rings.fill` for one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from napari_centermask.core.instances import Box, Instance
from napari_centermask.io.rings import Polygon, fill
from napari_centermask.io.rle import Crop

_POINTS = 1 << 16  # of the outlines that are filled in one step
_MOST_PIXELS, _MOST_CROSSINGS = 1 << 25, 1 << 22
"""Of one step; what is beyond is filled cell by cell, and may be refused."""


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
    is_plain = [len(c) > 0 and all(len(p) > 0 and all(len(r) >= 3 for r in p) for p in c) for c in outlines]
    plain = [polygon for polygons, is_one in zip(outlines, is_plain, strict=True) if is_one for polygon in polygons]
    drawn = iter(_drawn(plain, shape) if plain else [])
    for polygons, name, is_one in zip(outlines, names, is_plain, strict=True):
        crops = list(islice(drawn, len(polygons))) if is_one else ["hard"]
        soft = [c for c in crops if c is not None and not isinstance(c, str)]
        if "hard" in crops or (len(soft) > 1 and _pixels(_box(soft)) > _MOST_PIXELS):
            yield _tight(fill(polygons, shape, name))
        else:
            yield united(soft)


def united(crops: Sequence[Crop]) -> Crop | None:
    """The union of tight crops; None if there are none."""
    if len(crops) < 2:
        return crops[0] if crops else None
    y0, x0, y1, x1 = _box(crops)
    mask = np.zeros((y1 - y0, x1 - x0), bool)
    for y, x, part in crops:
        mask[y - y0 : y - y0 + part.shape[0], x - x0 : x - x0 + part.shape[1]] |= part
    return y0, x0, mask


def _box(crops: Sequence[Crop]) -> Box:
    """(y0, x0, y1, x1) around all crops."""
    y0, x0 = min(y for y, _, _ in crops), min(x for _, x, _ in crops)
    return y0, x0, max(y + m.shape[0] for y, _, m in crops), max(x + m.shape[1] for _, x, m in crops)


def _pixels(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


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
