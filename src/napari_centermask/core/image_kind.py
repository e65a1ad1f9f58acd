"""What kind of image this is, by a cheap look at its intensities: fluorescence, transmitted light, or a stained section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import ndimage

from napari_centermask.core.array import Array

Kind = Literal["fluorescence", "transmitted", "stained"]
KINDS: tuple[Kind, ...] = ("fluorescence", "transmitted", "stained")
WORDS: dict[Kind, str] = {
    "fluorescence": "fluorescence",
    "transmitted": "transmitted light (phase contrast, bright field)",
    "stained": "stained sections",
}
"""What a person calls images of each kind."""

# Chosen on train and val of the sets in docs/benchmarks.md ("The look at an image"), which has the shares that are recognised.
_SIDE = 512  # pixels of the longer side that are looked at
_WHOLE = 1 << 26  # pixels; of larger images only the middle is read: a choice
_COLOURED = 0.03  # of the brightest, the difference of the colours in half of the pixels: H&E has 0.035 and more
_BRIGHT_TAIL = (
    3.5  # times as far above the median as below it: 3.6 and more in fluorescence, at most 3.4 in transmitted light
)
_DARK_LINES = 1.15  # times as strong as bright ones: halos around bright cells, as in phase contrast of yeast
_SURE_TAIL = 12.0  # beyond it, dark lines are gaps between bright cells, or noise
_WINDOW = 11  # pixels of the largest line
_NOISE = 0.35  # of the contrast that is left in means of 5 x 5 pixels: 0.2 of noise alone, as in an empty field


def image_kind(plane: Array, *, is_rgb: bool) -> Kind | None:
    """The kind of an image; None if there is nothing to see: a blank field, or noise alone.

    Parameters
    ----------
    plane
        (C, H, W); of a large one, pixels with a stride and its middle are read. The first channel counts unless they are
        colours.
    is_rgb
        Whether its three channels are the colours of a camera, not stains.
    """
    if not min(plane.shape):
        return None
    part = _numbers(plane, is_rgb, *_window(plane.shape))
    grey = part.mean(axis=0)
    low, middle, high = np.percentile(grey, (1, 50, 99))
    if not high > low:
        return None
    near = _numbers(plane, is_rgb, *_middle(plane.shape)).mean(
        axis=0
    )  # fine structures are lost between strided pixels
    if all(_is_noise(np.clip(seen, low, high)) for seen in (near, grey)):
        return None
    tail = float((high - middle) / max(middle - low, (high - low) / 100))
    if tail >= _BRIGHT_TAIL:
        has_halos = tail < _SURE_TAIL and _dark_lines((grey - low) / (high - low)) > _DARK_LINES
        return "transmitted" if has_halos else "fluorescence"
    return "stained" if is_rgb and _colour(part) > _COLOURED else "transmitted"


def _window(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns with a stride; of an image that would take long to read, those of its middle."""
    height, width = shape[-2:]
    step = slice(None, None, max(1, -(-max(height, width) // _SIDE)))
    return (step, step) if height * width <= _WHOLE else _middle(shape)


def _middle(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the middle at full resolution."""
    y, x = (max(0, (n - _SIDE) // 2) for n in shape[-2:])
    return slice(y, y + _SIDE), slice(x, x + _SIDE)


def _numbers(plane: Array, is_rgb: bool, rows: slice, columns: slice) -> np.ndarray:
    """(C, h, w) float32 of the channels that count; 0 where a pixel is not finite."""
    part = np.asarray(plane[: 3 if is_rgb else 1, rows, columns], np.float32)
    return np.where(np.isfinite(part), part, 0)


def _is_noise(grey: np.ndarray) -> bool:
    """Whether little of the contrast is left in the means of neighbours."""
    return float(ndimage.uniform_filter(grey, 5).std()) < _NOISE * float(grey.std())


def _dark_lines(grey: np.ndarray) -> float:
    """How much stronger thin dark structures are than bright ones: the black top-hat by the white one."""
    smooth = ndimage.uniform_filter(np.clip(grey, -0.2, 1.5), 3)
    dark = ndimage.grey_closing(smooth, (_WINDOW, _WINDOW)) - smooth
    bright = smooth - ndimage.grey_opening(smooth, (_WINDOW, _WINDOW))
    return float(np.percentile(dark, 95) / max(float(np.percentile(bright, 95)), 1e-6))


def _colour(part: np.ndarray) -> float:
    """The median difference of the colours of a pixel, as a part of the brightest."""
    return float(np.median(part.max(axis=0) - part.min(axis=0)) / max(float(np.percentile(part, 99.9)), 1e-6))


def listed(kinds: Sequence[Kind]) -> str:
    """Some kinds in words: "fluorescence and stained sections"."""
    *others, last = [WORDS[kind] for kind in kinds]
    return f"{', '.join(others)} and {last}" if others else last
