"""Images to write."""

from __future__ import annotations

import struct
import zlib

import numpy as np

RNG = np.random.default_rng(3)


def grey(shape=(40, 48), dtype=np.uint8):
    return RNG.integers(0, np.iinfo(dtype).max, shape).astype(dtype)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
