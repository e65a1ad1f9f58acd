"""Read protobuf messages field by field, without a library: what ONNX files are made of."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

Bytes = bytes | mmap.mmap


def nested(data: Bytes, start: int, stop: int, numbers: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Ranges of all messages reached by following the field numbers."""
    for number, a, b in fields(data, start, stop):
        if number == numbers[0]:
            if len(numbers) == 1:
                yield a, b
            else:
                yield from nested(data, a, b, numbers[1:])


def fields(data: Bytes, start: int, stop: int, *, varints: bool = False) -> Iterator[tuple[int, int, int]]:
    """(number, first byte, end) of the length-delimited fields of a protobuf message; with varints those instead."""
    position = start
    while position < stop:
        tag, position = varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = varint(data, position)
            if varints:
                yield number, value, 0
        elif kind == 2:
            length, position = varint(data, position)
            if position + length > stop:
                raise ValueError("truncated")
            if not varints:
                yield number, position, position + length
            position += length
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        else:
            raise ValueError("not protobuf")
    if position != stop:
        raise ValueError("truncated")


def varint(data: Bytes, position: int) -> tuple[int, int]:
    """The number at a position, and where it ends."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("not protobuf")
