"""Bright specks, such as dust, that alone would set the upper end of an image's intensities."""

from __future__ import annotations

import numpy as np

# Choices; what they amount to together was measured (docs/benchmarks.md, "Images with a fault").
_PLACES = 8  # an image is so many places high and wide
_FEW = 4  # a speck lies in at most so many places: where four of them meet
_MOST = 4  # so many specks are looked for
_BRIGHTER = 1.5  # a speck is brighter than all else by at least this factor
_STRUCTURE = 7.0
"""Range of what is left, in sigmas of its noise, from which on it shows cells; that of noise alone is 5.2 from 1 to 99.8 %."""


def without_specks(channel: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    """The intensities of an image without those of its specks.

    A speck is a small place that has all the intensities from the upper percentile on, is far brighter than the rest, and without
    which there is still something to see. So a lone cell in an empty field is none.

    Parameters
    ----------
    channel
        (H, W), of any real type.
    percentiles
        (low, high) in percent, which become 0 and 1.

    Returns
    -------
    numpy.ndarray
        (N,) of the same type; all intensities if there is no speck.
    """
    places = _places(channel.shape)
    kept = np.isfinite(channel) if channel.dtype.kind == "f" else np.ones(channel.shape, bool)
    values, area = channel[kept], channel.size
    for _ in range(_MOST):
        if not len(values):
            break
        low, high = np.percentile(values.astype(np.float64), percentiles)
        bright = kept & (channel >= high)
        counts = np.bincount(places[bright], minlength=_PLACES**2)
        if not 0 < np.count_nonzero(counts) <= _FEW:
            break
        rest = kept & ~np.isin(places, np.flatnonzero(counts))
        if np.count_nonzero(rest) < area / 2 or not _shows_more(channel, rest, high - low, percentiles):
            break
        kept, values = rest, channel[rest]
    return values if len(values) else channel.ravel()


def _places(shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) int, the number of the place of each pixel."""
    rows, columns = (np.arange(side) * _PLACES // side for side in shape)
    return np.add.outer(rows * _PLACES, columns)


def _shows_more(channel: np.ndarray, rest: np.ndarray, span: float, percentiles: tuple[float, float]) -> bool:
    """Whether the rest is far darker and still shows cells."""
    low, high = np.percentile(channel[rest].astype(np.float64), percentiles)
    if high <= low or span < _BRIGHTER * (high - low):
        return False
    pairs = rest[:, 1:] & rest[:, :-1]
    steps = np.abs(channel[:, 1:][pairs].astype(np.float64) - channel[:, :-1][pairs])
    sigma = float(np.median(steps)) / (0.6745 * np.sqrt(2))
    return bool(high - low > _STRUCTURE * sigma)
