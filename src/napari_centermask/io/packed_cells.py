"""Many cells as one text, for journals: a few arrays instead of an object per cell, packed in microseconds per cell.

The text is base 64 of deflated bytes: a row of numbers for each cell, then all probabilities, then the bits of all masks.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Index

MOST_CELLS = 1 << 16
"""Cells of one text."""
MOST_BITS = 1 << 28
"""Bits of the masks and probabilities of one text, as far as it holds more than one cell."""
_ROW = np.dtype(
    [
        *((name, "<i8") for name in ("id", "category")),
        *((name, "<i4") for name in ("plane", "y0", "x0", "h", "w", "status", "source", "probabilities")),
        *((name, "<f8") for name in ("score", "quality", "order")),
    ]
)
_TRACKS = np.dtype("<i8")
_DELETED = (0,) * 7 + (0.0,) * 3

Cells = list[tuple[Index, int, Instance | None]]


def pack(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The cells after some changes, as JSON values."""
    return [_pack(part) for part in _parts(changes)]


def _parts(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    start = bits = 0
    for k, change in enumerate(changes):
        own = 0 if change.after is None else change.after.mask.size + 64 * len(change.after.probabilities)
        if k > start and (bits + own > MOST_BITS or k - start == MOST_CELLS):
            yield changes[start:k]
            start, bits = k, 0
        bits += own
    yield changes[start:]


def _pack(changes: Sequence[Change]) -> dict[str, Any]:
    planes: dict[Index, int] = {}
    texts: dict[str, int] = {}
    rows = np.array([_row(c, planes, texts) for c in changes], _ROW)
    cells = [c.after for c in changes if c.after is not None]
    probabilities = [p for cell in cells for p in cell.probabilities]
    bits = np.packbits(np.concatenate([cell.mask.ravel() for cell in cells])) if cells else np.zeros(0, np.uint8)
    data = b"".join((rows.tobytes(), np.array(probabilities, "<f8").tobytes(), bits.tobytes()))
    return _tracks_text(changes) | {
        "n": len(rows),
        "planes": [[int(i) for i in plane] for plane in planes],
        "texts": list(map(str, texts)),
        "data": base64.b64encode(zlib.compress(data, 1)).decode("ascii"),
    }


def _tracks_text(changes: Sequence[Change]) -> dict[str, Any]:
    """The tracks of the cells and their parents, if there are any: versions that know no tracks read the rest."""
    pairs = [(0, 0) if c.after is None else (c.after.track, c.after.parent) for c in changes]
    if not any(map(any, pairs)):
        return {}
    return {"tracks": base64.b64encode(zlib.compress(np.array(pairs, _TRACKS).tobytes(), 1)).decode("ascii")}


def unpack_tracks(text: dict[str, Any]) -> list[tuple[int, int]]:
    """Track and parent of each cell that `pack` wrote; the caller must check the numbers.

    Raises
    ------
    ValueError
        If they are damaged.
    """
    n = text.get("n")
    if type(n) is not int or not 0 < n <= MOST_CELLS or not isinstance(text.get("tracks", ""), str):
        raise ValueError("packed cells need a number of cells, and tracks as text")
    if "tracks" not in text:
        return [(0, 0)] * n
    size = n * 2 * _TRACKS.itemsize
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text["tracks"], validate=True), size + 1)
    except zlib.error as error:
        raise ValueError(f"packed tracks are damaged: {error}") from None
    if len(data) != size:
        raise ValueError("packed tracks are damaged")
    return [(track, parent) for track, parent in np.frombuffer(data, _TRACKS).reshape(n, 2).tolist()]


def _row(change: Change, planes: dict[Index, int], texts: dict[str, int]) -> tuple[float, ...]:
    plane, cell = planes.setdefault(change.plane, len(planes)), change.after
    if cell is None:
        return (change.id, 0, plane, *_DELETED)
    status, source = texts.setdefault(cell.status, len(texts)), texts.setdefault(cell.source, len(texts))
    place = (plane, cell.y0, cell.x0, *cell.mask.shape)
    return (
        *(change.id, cell.category, *place, status, source, len(cell.probabilities)),
        *(cell.score, cell.mask_quality, cell.order),
    )


def unpack(text: dict[str, Any]) -> tuple[np.ndarray, list[tuple[float, ...]], list[np.ndarray | None]]:
    """Read what `pack` wrote; the caller must check the meaning of the numbers.

    Returns
    -------
    rows
        (n,) structured array with the numbers of each cell.
    probabilities
        Those of each cell.
    masks
        (h, w) bool of each cell; None for a deleted one.

    Raises
    ------
    ValueError
        If it is damaged, or larger than `pack` writes.
    """
    n = text.get("n")
    if type(n) is not int or not 0 < n <= MOST_CELLS or not isinstance(text.get("data"), str):
        raise ValueError("packed cells need a number of cells and data")
    try:
        inflate = zlib.decompressobj()
        head = inflate.decompress(base64.b64decode(text["data"], validate=True), n * _ROW.itemsize)
        rows = np.frombuffer(head, _ROW)
        n_probabilities, sizes = rows["probabilities"].astype(np.int64), rows["h"].astype(np.int64) * rows["w"]
        if len(rows) != n or min(n_probabilities.min(), sizes.min(), rows["h"].min()) < 0:
            raise ValueError("packed cells are damaged")
        if sizes.sum() + 64 * n_probabilities.sum() > MOST_BITS:
            raise ValueError("packed cells have masks that are too large")
        bits, floats = (int(sizes.sum()) + 7) // 8, 8 * int(n_probabilities.sum())
        rest = inflate.decompress(inflate.unconsumed_tail, floats + bits + 1)
    except zlib.error as error:
        raise ValueError(f"packed cells are damaged: {error}") from None
    if len(rest) != floats + bits:
        raise ValueError("packed cells are damaged")
    return rows, _probabilities(rest[:floats], n_probabilities), _masks(rest[floats:], rows, sizes)


def _probabilities(data: bytes, lengths: np.ndarray) -> list[tuple[float, ...]]:
    values, ends = np.frombuffer(data, "<f8").tolist(), np.cumsum(lengths).tolist()
    return [tuple(values[a:b]) for a, b in zip([0, *ends], ends, strict=False)]


def _masks(data: bytes, rows: np.ndarray, sizes: np.ndarray) -> list[np.ndarray | None]:
    pixels = np.unpackbits(np.frombuffer(data, np.uint8), count=int(sizes.sum())).view(bool)
    ends, sides = np.cumsum(sizes).tolist(), zip(rows["h"].tolist(), rows["w"].tolist(), strict=True)
    return [
        pixels[a:b].reshape(shape).copy() if b > a else None
        for a, b, shape in zip([0, *ends], ends, sides, strict=False)
    ]
