"""The correction of an image from the settings, at its magnification."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np

from napari_centermask.core.array import Array
from napari_centermask.core.illumination import Correction, corrected
from napari_centermask.io.images import read_image
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import PreprocessSettings, SegmentSettings

PREVIEW = 4_000_000
"""Largest number of pixels of a preview: a choice, more than a screen shows."""
# Pixels; in a narrower Gaussian a neighbour weighs less than 1/256 of the pixel, a grey level of 8 bits
_LEAST_SIGMA = 0.3


def correction_of(settings: PreprocessSettings, scale: float) -> Correction:
    """The correction of an image that the network sees at `scale`, for training and segmentation.

    Parameters
    ----------
    scale
        Network pixels per image pixel; sizes in the settings are in network pixels.

    Raises
    ------
    BadImage
        If the flat field cannot be read.
    """
    gain = None if settings.flat_field is None else _read_gain(settings.flat_field)
    denoise, size = settings.denoise, settings.denoise_size / scale
    if denoise == "gaussian" and size < _LEAST_SIGMA or denoise == "median" and round(size) < 1:
        denoise = "none"
    return Correction(settings.background, settings.background_size / scale, denoise, size, gain, settings.dark)


def preview(image: Array, channel: int, settings: PreprocessSettings, *, scale: float = 1.0) -> tuple[np.ndarray, int]:
    """One channel as the model will see it, except for its range, subsampled if it is large.

    Parameters
    ----------
    image
        (C, H, W) array-like.

    Returns
    -------
    pixels
        (h, w) float32.
    step
        Step of the subsampling in image pixels.

    Raises
    ------
    BadImage, BadSettings
        If the flat field cannot be read, or has the wrong size.
    """
    step = math.ceil(math.sqrt(max(1.0, image.shape[1] * image.shape[2] / PREVIEW)))
    view = corrected(image, correction_of(settings, scale))
    return np.asarray(view[channel : channel + 1, ::step, ::step], dtype=np.float32)[0], step


def _read_gain(path: Path) -> np.ndarray:
    return _cached_gain(Path(path), Path(path).stat().st_mtime_ns if Path(path).exists() else 0)


@lru_cache(maxsize=2)
def _cached_gain(path: Path, changed_ns: int) -> np.ndarray:
    planes = [plane for _, plane in read_image(path).planes()]  # TIFFs without axes hold channels as pages
    return np.concatenate(planes).astype(np.float32)


def own_preprocess(settings: SegmentSettings, card: ModelCard) -> PreprocessSettings:
    """The preprocessing that the model was trained with, overridden by what the user set."""
    wanted = settings.preprocess
    return card.preprocess.model_copy(update={name: getattr(wanted, name) for name in wanted.model_fields_set})
