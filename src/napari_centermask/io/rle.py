"""COCO run-length encoding of cropped masks, without ever making a full-size one.

Source: pycocotools' maskApi: column-major runs, the first of background; counts as base-48 text with differences.
"""

from __future__ import annotations

import numpy as np

from ..core.instances import Instance


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
        If the text is cut short or holds other characters.
    """
    runs: list[int] = []
    value = shift = 0
    for byte in counts.encode("ascii", errors="replace"):
        digit = byte - 48
        if not 0 <= digit < 64:
            raise ValueError(f"character {chr(byte)!r} is not part of COCO counts")
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


def decode(runs: list[int], shape: tuple[int, int]) -> tuple[int, int, np.ndarray] | None:
    """The tight crop of column-major runs: (y0, x0, mask bool), None for an empty mask.

    Raises
    ------
    ValueError
        If the runs do not fill an image of `shape` or one is negative.
    """
    height, width = shape
    lengths = np.asarray(runs, dtype=np.int64)
    if (lengths < 0).any() or lengths.sum() > height * width:
        raise ValueError(f"runs of {int(lengths.sum())} pixels do not fit an image of {height} x {width}")
    ends = np.cumsum(lengths)
    first, last = ends[0:-1:2], ends[1::2]  # foreground is every second run
    filled = last > first
    first, last = first[filled], last[filled]
    if len(first) == 0:
        return None
    x0, x1 = int(first[0] // height), int((last[-1] - 1) // height) + 1
    flat = np.zeros((x1 - x0) * height + 1, dtype=np.int8)
    np.add.at(flat, first - x0 * height, 1)
    np.add.at(flat, last - x0 * height, -1)
    columns = np.cumsum(flat[:-1]).astype(bool).reshape(x1 - x0, height).T
    rows = np.flatnonzero(columns.any(axis=1))
    return int(rows[0]), x0, np.ascontiguousarray(columns[rows[0] : rows[-1] + 1])
