"""Correct uneven illumination and noise window by window, with the same result as for the whole image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import ndimage

from napari_centermask.core.array import Array
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.flat_field import gain_of
from napari_centermask.core.normalise import RANGE

BLOCK = 2048
"""Side in pixels of the blocks that are read and corrected at once: a choice, 16 MB of float32."""
GRID = 1 << 22
"""Largest number of grid points on which a background is estimated: a choice, 16 MB, all of an image of 2048 x 2048."""
# Grid steps per size of the background: with 50, 99 % of the pixels change by less than 1 % of the range, and the estimate takes
# 5 to 25 times as long (scripts/benchmarks/limits.py).
_FINE = 16.0
_BALL = 0.2  # as in ImageJ, where one of radius 50 is 50 of 255 grey levels high; a higher one hollows out faint cells
_COARSE = 4.0  # at least, a choice: a disk of fewer points is a square; the largest images get a coarser background
_TRUNCATE = 4.0  # sigmas; scipy's default
_SAMPLED = 512  # pixels along the longer side for a channel's median: a choice, a quarter of a million in all


@dataclass(frozen=True)
class Correction:
    """The corrections of an image; sizes in its pixels.

    Attributes
    ----------
    background
        none, gaussian (a Gaussian mean), tophat (a morphological opening with a disk) or rolling_ball (S. R. Sternberg,
        Biomedical Image Processing, Computer 16, 1983), its ball a fifth as high as the channel's range of intensities.
    background_size
        Diameter of the disk and of the ball, two sigmas of the Gaussian.
    denoise
        none, gaussian or median.
    denoise_size
        Sigma of the Gaussian, radius of the median.
    gain
        (H, W) or (C, H, W) illumination, of any mean, by which the image is divided; None for none.
    dark
        Grey level of the camera in the dark, subtracted before that.
    """

    background: str = "none"
    background_size: float = 100.0
    denoise: str = "none"
    denoise_size: float = 1.0
    gain: np.ndarray | None = field(default=None, compare=False)
    dark: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether images are left unchanged."""
        return self.background == self.denoise == "none" and self.gain is None


class Corrected:
    """A corrected view of an image, computed when sliced; it needs the memory of a block, whatever the size of the image.

    A pixel has the same value in every window: the background is estimated once per channel on a grid over the whole image,
    and noise filters see beyond the window.

    Parameters
    ----------
    image
        (C, H, W) array-like of bool, integers or floats; memory maps, dask and zarr arrays are read block by block.

    Raises
    ------
    BadSettings
        If the illumination differs in size from the image, or is dark.
    """

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, image: Array, correction: Correction) -> None:
        self.shape = tuple(int(n) for n in image.shape)
        self._image, self._correction = image, correction
        self._gain = None if correction.gain is None else gain_of(correction.gain, self.shape)
        self._grids: dict[int, np.ndarray] = {}
        self._fills: dict[int, float] = {}

    def __getitem__(self, index: object) -> np.ndarray:
        """Float32, a new array; numbers and slices, with steps from 1 on."""
        wanted = index if isinstance(index, tuple) else (index,)
        wanted = (*wanted, *(slice(None),) * (3 - len(wanted)))
        channels, rows, cols = (_range(part, n) for part, n in zip(wanted, self.shape, strict=True))
        out = np.empty((len(channels), len(rows), len(cols)), np.float32)
        for number, channel in enumerate(channels):
            for y in _parts(rows):
                for x in _parts(cols):
                    out[number, y, x] = self._thinned(channel, rows[y], cols[x])
        return out[tuple(slice(None) if isinstance(part, slice) else 0 for part in wanted)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def background(self, channel: int, rows: range, cols: range) -> np.ndarray:
        """(h, w) float32 background of a window: bilinear between the points of the grid."""
        grid = self._grid(channel)
        (top, low, y), (left, right, x) = (
            _between(r, self.step, n) for r, n in zip((rows, cols), grid.shape, strict=True)
        )
        lines = grid[top] * (1 - y)[:, None] + grid[low] * y[:, None]
        background: np.ndarray = lines[:, left] * (1 - x) + lines[:, right] * x
        return background

    @property
    def step(self) -> int:
        """Pixels between the points of the background's grid."""
        finest = math.ceil(math.sqrt(self.shape[1] * self.shape[2] / GRID))
        return max(1, int(self._correction.background_size / _FINE), finest)

    def _thinned(self, channel: int, rows: range, cols: range) -> np.ndarray:
        """The corrected pixels of some rows and columns."""
        window = self._denoised(channel, range(rows[0], rows[-1] + 1), range(cols[0], cols[-1] + 1))
        return window[:: rows.step, :: cols.step]

    def _denoised(self, channel: int, rows: range, cols: range) -> np.ndarray:
        kind, size = self._correction.denoise, self._correction.denoise_size
        radius = round(size)
        if kind == "none" or (kind == "median" and not radius):
            return self._even(channel, rows, cols)
        margin = radius if kind == "median" else int(_TRUNCATE * size + 0.5) + 1
        height, width = self.shape[1:]
        wide = range(max(0, rows.start - margin), min(height, rows.stop + margin))
        long = range(max(0, cols.start - margin), min(width, cols.stop + margin))
        plane = self._even(channel, wide, long)
        if kind == "median":
            plane = ndimage.median_filter(plane, 2 * radius + 1, mode="nearest")
        else:
            plane = ndimage.gaussian_filter(plane, size, mode="nearest", truncate=_TRUNCATE)
        y, x = rows.start - wide.start, cols.start - long.start
        return plane[y : y + len(rows), x : x + len(cols)]

    def _even(self, channel: int, rows: range, cols: range) -> np.ndarray:
        """Evenly lit, without background."""
        plane = self._lit(channel, rows, cols)
        return plane if self._correction.background == "none" else plane - self.background(channel, rows, cols)

    def _lit(self, channel: int, rows: range, cols: range) -> np.ndarray:
        """Evenly lit; pixels that are not finite get the channel's median."""
        window = np.asarray(self._image[channel : channel + 1, rows.start : rows.stop, cols.start : cols.stop])[0]
        with np.errstate(over="ignore"):
            plane: np.ndarray = window.astype(np.float32)
        if window.dtype.kind == "f" and not (finite := np.isfinite(plane)).all():
            plane[~finite] = self._fill(channel)
        if self._gain is not None:
            gain = self._gain[channel if len(self._gain) > 1 else 0, rows.start : rows.stop, cols.start : cols.stop]
            plane = (plane - np.float32(self._correction.dark)) / gain
        return plane

    def _fill(self, channel: int) -> float:
        if channel not in self._fills:
            step = max(1, max(self.shape[1:]) // _SAMPLED)
            pixels = np.asarray(self._image[channel : channel + 1, ::step, ::step]).astype(np.float32)
            finite = pixels[np.isfinite(pixels)]
            self._fills[channel] = float(np.median(finite)) if finite.size else 0.0
        return self._fills[channel]

    def _grid(self, channel: int) -> np.ndarray:
        """(h, w) float32 background at the centres of squares of `step` pixels."""
        if channel not in self._grids:
            size = max(self._correction.background_size / self.step, _COARSE)
            self._grids[channel] = find_background(self._reduced(channel), self._correction.background, size)
        return self._grids[channel]

    def _reduced(self, channel: int) -> np.ndarray:
        """Means of the channel's squares of `step` pixels, (h, w) float32."""
        step, (height, width) = self.step, self.shape[1:]
        out = np.empty((-(-height // step), -(-width // step)), np.float32)
        side = max(1, BLOCK // step) * step
        for top in range(0, height, side):
            for left in range(0, width, side):
                plane = self._lit(channel, range(top, min(top + side, height)), range(left, min(left + side, width)))
                small = _means(plane, step)
                y, x = top // step, left // step
                out[y : y + small.shape[0], x : x + small.shape[1]] = small
        return out


def corrected(image: Array, correction: Correction) -> Array:
    """A `Corrected` view, or the image itself if there is nothing to correct."""
    return image if correction.is_empty else Corrected(image, correction)


def find_background(plane: np.ndarray, kind: str, size: float) -> np.ndarray:
    """Estimate the background of a plane.

    Parameters
    ----------
    plane
        (H, W) float32, finite.
    kind
        gaussian, tophat or rolling_ball.

    Returns
    -------
    numpy.ndarray
        (H, W) float32.

    Raises
    ------
    BadSettings
        If there is no such kind.
    """
    if kind == "gaussian":
        return ndimage.gaussian_filter(plane, size / 2, mode="nearest")
    radius = max(1, round(size / 2))
    if kind == "tophat":
        y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
        return ndimage.grey_opening(plane, footprint=y * y + x * x <= radius * radius, mode="nearest")
    if kind != "rolling_ball":
        raise BadSettings(f"The background must be gaussian, tophat or rolling_ball, not {kind!r}.")
    from skimage.restoration import ellipsoid_kernel, rolling_ball

    low, high = np.percentile(plane, RANGE)
    if high <= low:
        return plane.copy()
    shape = 2 * radius + 1, 2 * radius + 1
    unit = (plane - low) / (high - low)  # of the same shape whatever the image's depth in bits
    ball = rolling_ball(unit, kernel=ellipsoid_kernel(shape, _BALL))
    background: np.ndarray = (ball * (high - low) + low).astype(np.float32)
    return background


def _means(plane: np.ndarray, step: int) -> np.ndarray:
    """Means over squares of `step` pixels; those at the lower and right edge may be smaller."""
    if step == 1:
        return plane
    rows, cols = np.arange(0, plane.shape[0], step), np.arange(0, plane.shape[1], step)
    sums = np.add.reduceat(np.add.reduceat(plane, rows, axis=0), cols, axis=1)
    heights, widths = np.diff(np.append(rows, plane.shape[0])), np.diff(np.append(cols, plane.shape[1]))
    return sums / (heights[:, None] * widths).astype(np.float32)


def _between(pixels: range, step: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each pixel the grid points before and after it, and its position between them in [0, 1]."""
    at = np.clip((np.arange(pixels.start, pixels.stop) + 0.5) / step - 0.5, 0, n - 1)
    first = np.minimum(at.astype(np.int64), max(0, n - 2))
    return first, np.minimum(first + 1, n - 1), (at - first).astype(np.float32)


def _range(part: slice | int, n: int) -> range:
    """The positions on an axis of length n that an index selects."""
    return range(*part.indices(n)) if isinstance(part, slice) else range(n)[part : part + 1 or None]


def _parts(wanted: range) -> Iterator[slice]:
    """Slices of a range, each about a block of pixels long."""
    n = max(1, BLOCK // wanted.step)
    return (slice(i, min(i + n, len(wanted))) for i in range(0, len(wanted), n))
