"""COCO run-length encoding of cropped masks, without making one of full size.

Source: pycocotools' maskApi: column-major runs, the first of background; counts as base-48 text with differences.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from operator import sub

import numpy as np

from napari_centermask.core.instances import Instance

Crop = tuple[int, int, np.ndarray]
"""(y0, x0, mask bool) of a cell, tight."""
LARGEST_MASK = 2**28
"""Most pixels of one mask's box: all of an image of 16,384 x 16,384."""
_MOST_DIGITS = 11  # of five bits each: a choice, far beyond the pixels of any image
_NO_DIGIT, _NUMBER = re.compile("[^0-o]"), re.compile("[P-o]*[0-O]")


def encode(instance: Instance, shape: tuple[int, int]) -> list[int]:
    """Column-major run lengths of an instance in an image of `shape` (H, W); the first run is background."""
    height, width = shape
    h, w = instance.mask.shape
    columns = np.zeros((w, h + 2), dtype=bool)
    columns[:, 1:-1] = instance.mask.T
    flat = columns.ravel()
    (steps,) = (flat[1:] != flat[:-1]).nonzero()  # where a run starts, ends, starts ...
    column = steps // (h + 2)
    edges = np.zeros(len(steps) + 2, np.int64)
    edges[1:-1] = (column + instance.x0) * height + (steps - column * (h + 2)) + instance.y0
    edges[-1] = height * width
    if h == height:  # runs that continue from the bottom of a column to the top of the next are one
        inner = edges[2:-2].reshape(-1, 2)
        edges = np.concatenate([edges[:2], inner[inner[:, 0] != inner[:, 1]].ravel(), edges[-2:]])
    runs: list[int] = (edges[1:] - edges[:-1]).tolist()
    return runs if runs[-1] else runs[:-1]


def compress(runs: list[int]) -> str:
    """Run lengths as COCO's ASCII counts."""
    return "".join(map(_digits, [*runs[:3], *map(sub, runs[3:], runs[1:])]))


@lru_cache(1 << 16)
def _digits(value: int) -> str:
    """The characters of a number: five bits each, the lowest first."""
    text, more = bytearray(), True
    while more:
        low = value & 0x1F
        value >>= 5
        more = value != -1 if low & 0x10 else value != 0
        text.append((low | 0x20 if more else low) + 48)
    return text.decode("ascii")


def decompress(counts: str) -> list[int]:
    """Run lengths from COCO's ASCII counts.

    Raises
    ------
    ValueError
        If the text is truncated, or has other characters or numbers beyond any image.
    """
    if odd := _NO_DIGIT.search(counts):
        raise ValueError(f"character {odd[0]!r} is not part of COCO counts")
    if counts and counts[-1] >= "P":
        raise ValueError("the counts end in the middle of a number")
    runs = list(map(_number, _NUMBER.findall(counts)))
    runs[1::2] = accumulate(runs[1::2])  # but for the first three, each is the difference to the one before the last
    runs[2::2] = accumulate(runs[2::2])
    return runs


@lru_cache(1 << 16)
def _number(text: str) -> int:
    """The number that `_digits` wrote."""
    if len(text) > _MOST_DIGITS:
        raise ValueError("a run is longer than any image")
    value = sum((ord(c) - 48 & 0x1F) << 5 * k for k, c in enumerate(text))
    return value - (1 << 5 * len(text)) if ord(text[-1]) - 48 & 0x10 else value


def decode(
    runs: Sequence[int], shape: tuple[int, int], *, largest: int = LARGEST_MASK
) -> tuple[int, int, np.ndarray] | None:
    """The tight crop of column-major runs: (y0, x0, mask bool), None for an empty mask.

    Memory is two bytes for each pixel of the crop, whatever size the image claims to have.

    Parameters
    ----------
    largest
        Most pixels of a crop.

    Raises
    ------
    ValueError
        If the runs do not fit an image of `shape`, one is negative, or the crop would be larger than `largest`.
    """
    height, width = shape
    try:
        lengths = np.asarray(runs, dtype=np.int64)
    except OverflowError:
        raise ValueError("a run is longer than any image") from None
    if (lengths < 0).any() or lengths.sum(dtype=np.float64) > height * width or lengths.sum() > height * width:
        raise ValueError(
            f"runs of {lengths.sum(dtype=np.float64):.0f} pixels do not fit an image of {height} x {width}"
        )
    ends = np.cumsum(lengths)
    first, last = ends[0:-1:2], ends[1::2]  # foreground is every second run
    filled = last > first
    first, last = first[filled], last[filled] - 1
    if len(first) == 0:
        return None
    (x_first, y_first), (x_last, y_last) = divmod(first, height), divmod(last, height)
    wraps = (x_last > x_first).any()  # such a run touches the bottom of a column and the top of the next
    y0, y1 = (0, height) if wraps else (int(y_first.min()), int(y_last.max()) + 1)
    x0, x1 = int(x_first[0]), int(x_last[-1]) + 1
    h, w = y1 - y0, x1 - x0
    if h * w > largest:
        raise ValueError(f"a mask of {h} x {w} pixels is larger than the {largest} that are read")
    pieces = x_last - x_first + 1  # a run has one in each column that it touches
    if wraps:
        run = np.repeat(np.arange(len(pieces)), pieces)
        column = np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        x_first, y_first, y_last = (
            x_first[run] + column,
            np.where(column == 0, y_first[run], 0),
            np.where(column == pieces[run] - 1, y_last[run], height - 1),
        )
    steps = np.zeros(w * (h + 1), dtype=np.int8)  # column by column, each with a row below the last
    starts = (x_first - x0) * (h + 1) + y_first - y0
    steps[starts] = 1
    steps[starts + y_last - y_first + 1] -= 1  # a run may start where one ends
    filled = np.cumsum(steps, out=steps).view(bool).reshape(w, h + 1)
    return y0, x0, np.ascontiguousarray(filled[:, :h].T)
