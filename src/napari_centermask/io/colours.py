"""Colour models of image files, converted to grey or RGB in which dark is low, whatever the format."""

from __future__ import annotations

import numpy as np


def is_grey(table: np.ndarray) -> bool:
    """Whether a palette, (n, 3), has only greys."""
    return bool((table == table[:, :1]).all())


def from_palette(indices: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The intensities of palette indices.

    Parameters
    ----------
    indices
        (...) unsigned integers.
    table
        (n, 3) uint8 or uint16 colours; those of 16 bits are reduced to 8 (see `eight_bits`).

    Returns
    -------
    numpy.ndarray
        (...) uint8 where the palette is grey, else (..., 3) uint8.
    """
    table = eight_bits(table)
    safe = np.minimum(indices, len(table) - 1)
    colours: np.ndarray = table[:, 0][safe] if is_grey(table) else table[safe]
    return colours


def eight_bits(table: np.ndarray) -> np.ndarray:
    """Colours of a palette as uint8. TIFF wants v * 257; some write v * 256, some v as it is (libtiff reads all three)."""
    return table if table.dtype == np.uint8 else (table >> (8 if table.max(initial=0) > 255 else 0)).astype(np.uint8)


def from_cmyk(data: np.ndarray) -> np.ndarray:
    """(..., 4) cyan, magenta, yellow, black as unsigned integers to (..., 3) RGB of the same type."""
    top = np.iinfo(data.dtype).max
    light = (top - data).astype(np.float64) / top
    return np.rint(light[..., :3] * light[..., 3:4] * top).astype(data.dtype)


def from_ycbcr(data: np.ndarray) -> np.ndarray:
    """(..., 3) uint8 YCbCr, ITU-R BT.601 over the full range, to RGB."""
    y, cb, cr = (data[..., i].astype(np.float64) for i in range(3))
    red, blue = y + 1.402 * (cr - 128), y + 1.772 * (cb - 128)
    green = y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128)
    return np.clip(np.rint(np.stack([red, green, blue], axis=-1)), 0, 255).astype(np.uint8)


def inverted(data: np.ndarray, bits: int) -> np.ndarray:
    """Invert intensities whose 0 is white; floats stay as they are."""
    if data.dtype.kind == "b":
        return ~data
    if data.dtype.kind != "u":
        return data
    return ((1 << bits) - 1 - data.astype(np.int64)).astype(data.dtype)
