"""A label image as horizontal runs of equal pixels: all of its cells in a few passes, however many they are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_STRIP = 1 << 20  # pixels of one step: what stays in a processor's cache
Crop = tuple[int, int, int, np.ndarray]


class LabelRuns:
    """The runs of a label image, sorted by label, then from top to bottom and from left to right.

    Parameters
    ----------
    labels
        (H, W) whole numbers of 0 and more; 0 is background.

    Attributes
    ----------
    ids
        (labels,) the labels, ascending.
    """

    def __init__(self, labels: np.ndarray) -> None:
        self._width = labels.shape[1]
        places, lengths, values = _runs(labels)
        order, first = _sorted(values)
        self.ids = values[order[first]]
        self._first, self._sizes = first, np.diff(first, append=len(order))
        self._y, self._x = np.divmod(places[order], max(1, self._width))
        self._lengths = lengths[order]

    def crops(self) -> Iterator[Crop]:
        """(label, y0, x0, mask bool) of each label, tight."""
        if not len(self.ids):
            return
        y0, y1 = self._y[self._first], self._y[self._first + self._sizes - 1] + 1  # runs are sorted by row
        x0 = np.minimum.reduceat(self._x, self._first)
        x1 = np.maximum.reduceat(self._x + self._lengths, self._first)
        pixels = np.cumsum((y1 - y0) * (x1 - x0))
        start = 0
        while start < len(pixels):
            already = int(pixels[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(pixels, already + _STRIP, "right")))
            part = slice(start, stop)
            boxes = np.stack([self.ids[part], y0[part], x0[part], y1[part], x1[part]], axis=1).astype(np.int64)
            yield from self._drawn(start, boxes)
            start = stop

    def _drawn(self, start: int, boxes: np.ndarray) -> Iterator[Crop]:
        """The crops of neighbouring labels, drawn into one array."""
        runs = slice(self._first[start], self._first[start + len(boxes) - 1] + self._sizes[start + len(boxes) - 1])
        _, y0, x0, y1, x1 = boxes.T
        w = x1 - x0
        ends = np.cumsum((y1 - y0) * w)
        k = np.repeat(np.arange(len(boxes)), self._sizes[start : start + len(boxes)])
        at = (ends - (y1 - y0) * w)[k] + (self._y[runs] - y0[k]) * w[k] + self._x[runs] - x0[k]
        steps = np.zeros(int(ends[-1]) + 1, np.int8)
        steps[at] = 1
        steps[at + self._lengths[runs]] -= 1  # a run may start where one ends
        filled = np.cumsum(steps, out=steps).view(bool)
        begin = 0
        for (id, top, left, bottom, right), end in zip(boxes.tolist(), ends.tolist(), strict=True):
            yield id, top, left, filled[begin:end].reshape(bottom - top, right - left)
            begin = end

    def n_apart(self) -> int:
        """How many labels lie in parts that do not touch, also not at a corner."""
        if not len(self.ids):
            return 0
        label = np.repeat(np.arange(len(self.ids)), self._sizes)
        row = (label * (int(self._y.max()) + 2) + self._y + 1) * (self._width + 2)
        ends = self._x + self._lengths
        above = row - (self._width + 2)
        before = np.searchsorted(row + ends, above + self._x)  # the first run above that reaches here
        after = np.searchsorted(row + self._x, above + ends, "right")  # behind the last one that begins here
        is_top = after <= before
        tops = np.add.reduceat(is_top.astype(np.int64), self._first)
        joins = np.flatnonzero((after - before > 1) & (tops[label] > 1))
        top_of = _tops(np.where(is_top, np.arange(len(label)), before)) if len(joins) else before
        parts = tops - _n_joined(joins, before, after, top_of, label, len(tops))
        return int(np.count_nonzero(parts > 1))


def _runs(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the runs of foreground begin in the flat image, how long they are, and their labels; strip by strip."""
    height, width = labels.shape
    rows = max(1, _STRIP // max(1, width))
    strips = []
    for top in range(0, height if width else 0, rows):
        strip = np.ascontiguousarray(labels[top : top + rows])
        is_new = np.ones(strip.shape, bool)  # a run ends with its row
        np.not_equal(strip[:, 1:], strip[:, :-1], out=is_new[:, 1:])
        starts = np.flatnonzero(is_new)
        values = strip.ravel()[starts]
        lengths = np.diff(starts, append=strip.size)
        kept = values != 0
        strips.append((starts[kept] + top * width, lengths[kept], values[kept]))
    if not strips:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, labels.dtype)
    places, lengths, values = (np.concatenate(part) for part in zip(*strips, strict=True))
    return places, lengths, values


def _sorted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The runs in the order of their labels, of one label as they were; and where each label begins."""
    if len(values) and int(values.min()) >= 0 and int(values.max()) < 2**31:
        keys = values.astype(np.int64) << 32 | np.arange(len(values))  # whole numbers sort faster than they are ranked
        keys.sort()
        order, ranked = keys & 0xFFFFFFFF, keys >> 32
    else:
        order = np.argsort(values, kind="stable")
        ranked = values[order]
    return order, np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])[: len(ranked)])


def _tops(above: np.ndarray) -> np.ndarray:
    """The top run that each run hangs on, given the run above each; tops are above themselves."""
    while True:
        higher = above[above]
        if np.array_equal(higher, above):
            return above
        above = higher


def _n_joined(
    joins: np.ndarray, before: np.ndarray, after: np.ndarray, top_of: np.ndarray, label: np.ndarray, n: int
) -> np.ndarray:
    """(n,) how many tops of each label are joined by runs that touch several runs above."""
    joined = np.zeros(n, np.int64)
    home: dict[int, int] = {}

    def root_of(top: int) -> int:
        while (higher := home.get(top, top)) != top:
            top = higher
        return top

    for run in joins.tolist():
        first = root_of(int(top_of[before[run]]))
        for other in range(int(before[run]) + 1, int(after[run])):
            second = root_of(int(top_of[other]))
            if second != first:
                home[second] = first
                joined[label[run]] += 1
    return joined
