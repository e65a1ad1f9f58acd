"""COCO run lengths of many cells at once: the texts and masks of `io.rle`, without a dozen calls of numpy for each cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from napari_centermask.core.instances import Instance
from napari_centermask.io import rle
from napari_centermask.io.rle import Crop

_PART = 1 << 20
"""Pixels, or characters, of one step: what stays in a processor's cache."""
_MOST_PIXELS = 1 << 26
_LARGEST_RUN = 1 << 40  # sums of a part's runs stay far below 2**63
_MOST_DIGITS = 9


def encode(cells: Sequence[Instance], shape: tuple[int, int]) -> Iterator[str]:
    """COCO's ASCII counts of each cell in an image of `shape` (H, W): `rle.compress(rle.encode(cell, shape))`."""
    start = pixels = 0
    for k, cell in enumerate(cells):
        if k > start and pixels > _PART:
            yield from _encode(cells[start:k], shape)
            start, pixels = k, 0
        pixels += cell.mask.size
    if start < len(cells):
        yield from _encode(cells[start:], shape)


def _encode(cells: Sequence[Instance], shape: tuple[int, int]) -> list[str]:
    height, width = shape
    y0, x0, h, w = np.array([(c.y0, c.x0, *c.mask.shape) for c in cells], np.int64).T
    starts = np.cumsum(w * (h + 1)) - w * (h + 1)  # column by column, each with an empty pixel below the last
    flat = np.zeros(int(starts[-1] + w[-1] * (h[-1] + 1)) + 1, bool)
    for cell, at, rows, columns in zip(cells, starts.tolist(), h.tolist(), w.tolist(), strict=True):
        flat[at + 1 : at + 1 + columns * (rows + 1)].reshape(columns, rows + 1)[:, :-1] = cell.mask.T
    edges = np.flatnonzero(flat[1:] != flat[:-1])  # where a run starts, ends, starts ...
    first = np.searchsorted(edges, starts)
    counts = np.diff(first, append=len(edges))
    cell_of = np.repeat(np.arange(len(cells)), counts)
    local = edges - starts[cell_of]
    column = local // (h[cell_of] + 1)
    places = (x0[cell_of] + column) * height + local - column * (h[cell_of] + 1) + y0[cell_of]
    rest = height * width - places[first + counts - 1]
    sizes = counts + (rest > 0)
    begins = np.cumsum(sizes) - sizes
    runs = np.empty(int(sizes.sum()), np.int64)
    runs[np.arange(len(edges)) + (begins - first)[cell_of]] = np.diff(places, prepend=0)
    runs[begins] = places[first]
    runs[(begins + counts)[rest > 0]] = rest[rest > 0]
    texts = _compress(runs, begins, sizes)
    for k in np.flatnonzero(h == height).tolist():  # there, runs may go on in the next column
        texts[k] = rle.compress(rle.encode(cells[k], shape))
    return texts


def _compress(runs: np.ndarray, begins: np.ndarray, sizes: np.ndarray) -> list[str]:
    """Runs of many cells as text: but for a cell's first three, differences to the one before the last."""
    values = runs.copy()
    values[2:] -= runs[:-2]
    for k in range(3):
        at = begins[sizes > k] + k
        values[at] = runs[at]
    digits = np.ones(len(values), np.int64)
    for k in range(1, _MOST_DIGITS):
        longer = (values < -(1 << 5 * k - 1)) | (values >= 1 << 5 * k - 1)
        if not longer.any():
            break
        digits += longer
    ends = np.cumsum(digits)
    text = np.empty(int(ends[-1]), np.uint8)
    at, left = ends - digits, digits
    while len(at):
        more = left > 1
        text[at] = (values & 0x1F | more << 5) + 48
        at, left, values = at[more] + 1, left[more] - 1, values[more] >> 5
    whole = text.tobytes().decode("ascii")
    bounds = [0, *ends[begins + sizes - 1].tolist()]
    return [whole[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]


def decode(texts: Sequence[str], shapes: Sequence[tuple[int, int]]) -> list[Crop | None] | None:
    """The tight crops of ASCII counts in images of these (H, W): `rle.decode(rle.decompress(text), shape)`.

    Returns None if one of them is damaged, does not fit its image or is very large: `io.rle` says which one and why.
    """
    parsed = _decompress(texts)
    return None if parsed is None else _decoded(*parsed, shapes)


def decode_runs(lists: Sequence[list[int]], shapes: Sequence[tuple[int, int]]) -> list[Crop | None] | None:
    """The tight crops of run lengths in images of these (H, W): `rle.decode(runs, shape)`; None as from `decode`."""
    try:
        runs = np.array(list(chain.from_iterable(lists)))
    except ValueError:
        return None
    if runs.ndim != 1 or runs.dtype != np.int64 or np.abs(runs).max(initial=0) > _LARGEST_RUN:
        return None
    sizes = np.array([len(r) for r in lists], np.int64)
    return _decoded(runs, np.cumsum(sizes) - sizes, sizes, shapes)


def _decoded(
    runs: np.ndarray, begins: np.ndarray, sizes: np.ndarray, shapes: Sequence[tuple[int, int]]
) -> list[Crop | None] | None:
    """The crops of runs, of which those of each mask begin at `begins` and are `sizes`."""
    heights, widths = np.array(shapes, np.int64).reshape(-1, 2).T
    if len(runs) == 0:
        return [None] * len(sizes)
    ends = np.cumsum(runs)
    before = np.where(begins > 0, ends[begins - 1], 0)
    last_of = np.where(sizes > 0, ends[np.maximum(begins + sizes - 1, 0)], before)
    if runs.min() < 0 or (last_of - before > heights * widths).any():
        return None
    text_of = np.repeat(np.arange(len(sizes)), sizes)
    is_drawn = ((np.arange(len(runs)) - begins[text_of]) % 2 == 1) & (runs > 0)  # foreground is every second run
    text_of, lengths = text_of[is_drawn], runs[is_drawn]
    first = ends[is_drawn] - lengths - before[text_of]
    height = heights[text_of]
    x, x_last = first // height, (first + lengths - 1) // height
    if (x_last > x).any():  # such a run touches the bottom of a column and the top of the next
        parts = zip(begins.tolist(), (begins + sizes).tolist(), shapes, strict=True)
        try:
            return [rle.decode(runs[begin:end].tolist(), shape) for begin, end, shape in parts]
        except ValueError:
            return None
    return _drawn(len(sizes), text_of, first - x * height, x, lengths)


def _drawn(n: int, text_of: np.ndarray, y: np.ndarray, x: np.ndarray, lengths: np.ndarray) -> list[Crop | None] | None:
    """Crops out of the vertical runs of n masks, sorted by mask and column."""
    if not len(text_of):
        return [None] * n
    drawn = np.unique(text_of)
    starts = np.searchsorted(text_of, drawn)
    stops = np.append(starts[1:], len(text_of)) - 1
    y0, y1 = np.minimum.reduceat(y, starts), np.maximum.reduceat(y + lengths, starts)
    x0, h, w = x[starts], y1 - y0, x[stops] + 1 - x[starts]
    if int((h * w).sum()) > _MOST_PIXELS:
        return None
    offsets = np.cumsum(h * w) - h * w
    k = np.repeat(np.arange(len(drawn)), stops + 1 - starts)
    at = offsets[k] + (x - x0[k]) * h[k] + y - y0[k]
    steps = np.zeros(int((h * w).sum()) + 1, np.int8)
    steps[at] = 1
    steps[at + lengths] -= 1  # a run may start where one ends
    filled = np.cumsum(steps, out=steps).view(bool)
    crops: list[Crop | None] = [None] * n
    rows = zip(drawn.tolist(), y0.tolist(), x0.tolist(), offsets.tolist(), h.tolist(), w.tolist(), strict=True)
    for text, top, left, at_, rows_, columns in rows:
        mask = filled[at_ : at_ + rows_ * columns].reshape(columns, rows_).T.copy()
        crops[text] = top, left, mask
    return crops


def _decompress(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """All runs, and where those of each text begin and how many they are; None if one is damaged."""
    whole = "".join(texts)
    if not whole.isascii():
        return None
    digits = np.frombuffer(whole.encode("ascii"), np.uint8) - 48  # what is below 48 becomes large
    is_end = digits < 32
    stops = np.cumsum([len(t) for t in texts], dtype=np.int64)
    if (digits > 63).any() or not is_end[stops[stops > 0] - 1].all():
        return None
    ends = np.flatnonzero(is_end)
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    lengths = ends + 1 - starts
    if lengths.max(initial=0) > _MOST_DIGITS:
        return None
    values = (digits[starts] & 0x1F).astype(np.int64)
    at = np.flatnonzero(lengths > 1)
    for k in range(1, _MOST_DIGITS):
        if not len(at):
            break
        values[at] |= (digits[starts[at] + k] & 0x1F).astype(np.int64) << 5 * k
        at = at[lengths[at] > k + 1]
    values -= np.where(digits[ends] & 0x10, np.int64(1) << 5 * lengths, 0)
    if np.abs(values).max(initial=0) > _LARGEST_RUN:
        return None
    sizes = np.diff(np.searchsorted(ends, stops), prepend=0)
    return _summed(values, sizes)


def _summed(values: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Undo the differences: sums over every second value of each text, but for its first."""
    begins = np.cumsum(sizes) - sizes
    pairs = (sizes + 1) // 2
    rows = np.cumsum(pairs) - pairs
    text_of = np.repeat(np.arange(len(sizes)), sizes)
    within = np.arange(len(values)) - begins[text_of]
    at = 2 * rows[text_of] + within
    table = np.zeros(2 * int(pairs.sum()), np.int64)
    table[at] = values
    firsts = values[begins[sizes > 0]]
    table[2 * rows[sizes > 0]] = 0
    sums = np.cumsum(table.reshape(-1, 2), axis=0)
    base = np.where(rows[:, None] > 0, sums[rows - 1], 0) if len(sums) else np.zeros((len(rows), 2), np.int64)
    runs = (sums - np.repeat(base, pairs, axis=0)).ravel()[at]
    runs[begins[sizes > 0]] = firsts
    return runs, begins, sizes
