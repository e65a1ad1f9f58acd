"""Map the intensities of any microscope to the range that networks are trained on."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.array import Array
from napari_centermask.core.errors import BadImage
from napari_centermask.core.specks import without_specks

RANGE = (1.0, 99.8)
"""Percentiles that become 0 and 1: StarDist's usual ones; a few bright specks lie above."""
SAMPLE = 262_144
"""Pixels to find them from: half a percent of the range off those of 4 million, a seventh of the time of a million
(scripts/benchmarks/limits.py)."""
CLIP = (-0.5, 2.0)
"""Of the normalised intensities. A choice: what lies a little beyond the percentiles is kept, and a bright speck does not
dominate."""
_LARGEST = 1e38  # keeps hi - lo finite in float32


def intensity_range(
    image: Array,
    percentiles: tuple[float, float] = RANGE,
    *,
    sample: int = SAMPLE,
    zscore: bool = False,
    specks: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Low and high intensity of each channel, from percentiles or from mean and standard deviation.

    Larger images are read with strides, so that a memory map or a lazy array is not loaded whole.

    Parameters
    ----------
    image
        (C, H, W) array-like of bool, integers or floats; memory maps, dask and zarr arrays work.
    percentiles
        (low, high) in percent. NaN and infinite pixels are left out.
    sample
        Largest number of pixels per channel to sample, approximately.
    zscore
        Instead of percentiles, the intensities whose z-scores are -1 and 3. So `normalise` gives (z + 1) / 4, with z
        clipped to [-3, 7]: the z-score in the range that the networks and the augmentation work in.
    specks
        False to leave bright specks out, see `core.specks`.

    Returns
    -------
    lo, hi : numpy.ndarray
        (C,) float32. If the percentiles coincide, as in an almost empty field, lowest and highest intensity;
        equal only where the channel is constant.

    Raises
    ------
    BadImage
        If a channel has no finite pixel in the sample.
    """
    step = max(1, int(np.ceil(np.sqrt(image.shape[1] * image.shape[2] / sample))))
    pixels = np.asarray(image[:, ::step, ::step])
    ends = None if zscore else percentiles
    channels = (channel.ravel() if specks else without_specks(channel, ends or RANGE) for channel in pixels)
    ranges = [_channel_range(values, ends, number) for number, values in enumerate(channels)]
    lo, hi = np.array(ranges, dtype=np.float32).T
    return lo, hi


def _channel_range(values: np.ndarray, percentiles: tuple[float, float] | None, number: int) -> np.ndarray:
    values = _comparable(values)
    if values.size == 0:
        raise BadImage(
            f"Channel {number} has only NaN or infinite values. Choose another channel or correct the image."
        )
    if percentiles is None:
        mean, spread = values.mean(dtype=np.float64), values.std(dtype=np.float64)
        return np.array([mean - spread, mean + 3 * spread])
    lo, hi = np.percentile(values, percentiles)
    return np.array([lo, hi] if hi > lo else [values.min(), values.max()])


def _comparable(values: np.ndarray) -> np.ndarray:
    """The finite values, in a type in which numpy finds percentiles fast and exactly."""
    if not np.issubdtype(values.dtype, np.floating):
        return values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        values = values[finite]
    wide = np.float32 if values.dtype == np.float16 else values.dtype
    bounded: np.ndarray = np.clip(values.astype(wide, copy=False), -_LARGEST, _LARGEST)
    return bounded


def normalise(tile: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Map `lo` to 0 and `hi` to 1 in each channel, clipped to [-0.5, 2].

    Parameters
    ----------
    tile
        (C, H, W) bool, integer or float.
    lo, hi
        (C,) from `intensity_range`.

    Returns
    -------
    numpy.ndarray
        (C, H, W) float32, a new array. Constant channels (lo == hi) become zeros; NaN becomes 0.
    """
    span = np.asarray(hi, np.float32) - np.asarray(lo, np.float32)
    factor = np.zeros_like(span)
    np.divide(1.0, span, out=factor, where=span > np.finfo(np.float32).tiny)
    tile = np.asarray(tile)
    is_float = np.issubdtype(tile.dtype, np.floating)
    with np.errstate(over="ignore", invalid="ignore"):
        out = tile.astype(np.float32)
        if is_float and not np.isfinite(out).all():
            np.nan_to_num(out, copy=False, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
            out[np.isnan(tile)] = np.broadcast_to(lo[:, None, None], tile.shape)[np.isnan(tile)]
        out -= np.asarray(lo, np.float32)[:, None, None]
        out *= factor[:, None, None]
    return np.clip(out, *CLIP, out=out)
