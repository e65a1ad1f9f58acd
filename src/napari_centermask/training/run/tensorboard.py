"""TensorBoard event files without TensorBoard: scalars only.

Source of the format: TensorFlow's `tensorflow/core/util/event.proto`, `framework/summary.proto` and the record format in
`lib/io/record_writer.h`: length, masked CRC-32C of it, content, masked CRC-32C of that.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any, BinaryIO

_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


def _table() -> list[int]:
    values = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        values.append(byte)
    return values


_TABLE = _table()


def masked_crc(data: bytes) -> int:
    """CRC-32C, rotated by 15 bits and offset by a constant as the record format requires."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class EventFile:
    """One file of scalars, for `tensorboard --logdir`.

    Parameters
    ----------
    folder
        The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / f"events.out.tfevents.{int(time.time())}.centermask"
        self._stream: BinaryIO = self.path.open("ab")
        self._write(_field(3, b"brain.Event:2"), step=None)

    def add(self, step: int, values: dict[str, Any]) -> None:
        """Write the values that are numbers."""
        numbers = {k: float(v) for k, v in values.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
        summary = b"".join(
            _field(1, _field(1, k.encode()) + b"\x15" + struct.pack("<f", v)) for k, v in numbers.items()
        )
        self._write(_field(5, summary), step=step)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _write(self, content: bytes, *, step: int | None) -> None:
        event = b"\x09" + struct.pack("<d", time.time())
        if step is not None:
            event += b"\x10" + _varint(step)
        event += content
        length = struct.pack("<Q", len(event))
        record = length + struct.pack("<I", masked_crc(length)) + event + struct.pack("<I", masked_crc(event))
        self._stream.write(record)
        self._stream.flush()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload
