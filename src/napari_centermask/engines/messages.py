"""Messages between two of our processes: a few values as JSON, and arrays as their bytes. Nothing that arrives is executed."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

import numpy as np

_LENGTH = struct.Struct("<Q")
_LARGEST = 1 << 34  # bytes of an array: a choice, beyond what a batch of tiles can need


def send(stream: BinaryIO, values: dict[str, Any], *arrays: np.ndarray) -> None:
    """Write one message."""
    parts = [np.asarray(array, order="C") for array in arrays]
    values = values | {"arrays": [[part.dtype.str, list(part.shape)] for part in parts]}
    head = json.dumps(values).encode()
    stream.write(_LENGTH.pack(len(head)))
    stream.write(head)
    for part in parts:
        stream.write(part.data if part.size else b"")
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Wait for one message.

    Raises
    ------
    EOFError
        If the other process ended.
    ValueError
        If this is no message.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if length > _LARGEST:
        raise ValueError(f"A message begins with {length} bytes of values, which is none of ours.")
    values = json.loads(_exactly(stream, length))
    arrays = []
    for kind, shape in values.pop("arrays"):
        dtype = np.dtype(kind)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if dtype.hasobject or not 0 <= size <= _LARGEST:
            raise ValueError(f"An array of {kind} and shape {shape} is none of ours.")
        arrays.append(np.ndarray(shape, dtype, buffer=_exactly(stream, size)))
    return values, arrays


def _exactly(stream: BinaryIO, size: int) -> bytearray:
    """So many bytes, writable."""
    whole = bytearray(size)
    view, done = memoryview(whole), 0
    while done < size:
        part = stream.read(min(size - done, 1 << 24))
        if not part:
            raise EOFError("The other process has ended.")
        view[done : done + len(part)] = part
        done += len(part)
    return whole
