"""COCO run-length encoding of cropped masks, without ever making a full-size one.

Source: pycocotools' maskApi: column-major runs, the first of background; counts as base-48 text with differences.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_centermask.core.instances import Instance

LARGEST_MASK = 2**28
"""Most pixels of one mask's box: all of an image of 16,384 x 16,384."""
_MOST_BITS = 50


def encode(instance: Instance, shape: tuple[int, int]) -> list[int]:
    """Column-major run lengths of an instance in an image of `shape` (H, W); the first run is background."""
    height, width = shape
    h, w = instance.mask.shape
    padded = np.zeros((h + 2, w), dtype=np.int8)
    padded[1:-1] = instance.mask
    steps = np.diff(padded, axis=0)  # (h + 1, w): +1 where a run starts, -1 where it ended
    columns, starts = np.nonzero(steps.T == 1)
    ends = np.nonzero(steps.T == -1)[1]
    first = (columns + instance.x0) * height + instance.y0 + starts
    last = (columns + instance.x0) * height + instance.y0 + ends
    if len(first) > 1:  # runs that go on from the bottom of a column to the top of the next are one
        joined = first[1:] == last[:-1]
        first = first[np.concatenate([[True], ~joined])]
        last = last[np.concatenate([~joined, [True]])]
    edges = np.concatenate([[0], np.stack([first, last], axis=1).ravel(), [height * width]])
    runs = np.diff(edges)
    return runs[:-1].tolist() if runs[-1] == 0 else runs.tolist()


def compress(runs: list[int]) -> str:
    """Run lengths as COCO's ASCII counts."""
    text = bytearray()
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            low = value & 0x1F
            value >>= 5
            more = value != -1 if low & 0x10 else value != 0
            text.append((low | 0x20 if more else low) + 48)
    return text.decode("ascii")


def decompress(counts: str) -> list[int]:
    """COCO's ASCII counts as run lengths.

    Raises
    ------
    ValueError
        If the text is cut short, holds other characters or numbers beyond any image.
    """
    runs: list[int] = []
    value = shift = 0
    for byte in counts.encode("ascii", errors="replace"):
        digit = byte - 48
        if not 0 <= digit < 64:
            raise ValueError(f"character {chr(byte)!r} is not part of COCO counts")
        if shift > _MOST_BITS:
            raise ValueError("a run is longer than any image")
        value |= (digit & 0x1F) << shift
        shift += 5
        if digit & 0x20:
            continue
        if digit & 0x10:
            value |= -1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the counts end in the middle of a number")
    return runs


def decode(
    runs: Sequence[int], shape: tuple[int, int], *, largest: int = LARGEST_MASK
) -> tuple[int, int, np.ndarray] | None:
    """The tight crop of column-major runs: (y0, x0, mask bool), None for an empty mask.

    Memory is a byte for each pixel of the crop, whatever size the image claims to have.

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
    steps = np.zeros((h + 1, w), dtype=np.int8)
    np.add.at(steps, (y_first - y0, x_first - x0), 1)
    np.add.at(steps, (y_last - y0 + 1, x_first - x0), -1)
    for above, row in zip(steps[:-2], steps[1:-1], strict=True):  # many times as fast as cumsum along this axis
        row += above
    return y0, x0, steps[:-1].view(bool)
