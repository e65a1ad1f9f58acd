"""Uneven illumination that all images of a microscope share: found from many of them, or measured."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from napari_centermask.core.errors import BadImage, BadSettings

_DARKEST = 0.05  # of the mean illumination: darker corners are noise, and are not made any brighter


def estimate_gain(planes: Iterable[np.ndarray], *, dark: float = 0.0, smooth: float = 0.1) -> np.ndarray:
    """The illumination that many images of one microscope share: their mean, smoothed; cells must lie here and there.

    Parameters
    ----------
    planes
        (C, H, W) images of one size; ten or more, so that no cell is seen in the mean.
    dark
        Grey level of the camera without light.
    smooth
        Sigma of the Gaussian, as a part of the longer side.

    Returns
    -------
    numpy.ndarray
        (C, H, W) float32 of mean 1 in each channel.

    Raises
    ------
    BadImage
        If there is no image, they differ in shape, are not finite, or not brighter than `dark`.
    """
    total, n = None, 0
    for plane in planes:
        plane = np.asarray(plane, np.float64)
        if total is not None and plane.shape != total.shape:
            raise BadImage(
                f"Expected images of one shape, got {total.shape} and {plane.shape}. Take those of one camera."
            )
        total, n = plane if total is None else total + plane, n + 1
    if total is None:
        raise BadImage("Expected images to find the illumination from, got none. Choose some.")
    if not np.isfinite(total).all():
        raise BadImage("Expected finite intensities, an image holds NaN or infinite ones. Leave it out.")
    light = total / n - dark
    sigma = smooth * max(light.shape[1:])
    even = ndimage.gaussian_filter(light, (0, sigma, sigma), mode="nearest")
    means = even.mean(axis=(1, 2), keepdims=True)
    if not (means > 0).all():
        raise BadImage(f"Expected images brighter than the dark level {dark:g}, they are not. Give a lower one.")
    return (even / means).astype(np.float32)


def gain_of(field: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A flat field made ready to divide an image by.

    Parameters
    ----------
    field
        (H, W) or (C, H, W) brightness of an even specimen.
    shape
        (C, H, W) of the image.

    Returns
    -------
    numpy.ndarray
        (1 or C, H, W) float32 of mean 1.

    Raises
    ------
    BadSettings
        If it is of another size than the image, or dark.
    """
    gain = np.asarray(field, np.float32)
    gain = gain[None] if gain.ndim == 2 else gain
    if gain.shape[1:] != shape[1:] or gain.shape[0] not in (1, shape[0]):
        raise BadSettings(
            f"Expected a flat field of {shape[1]} x {shape[2]} pixels and 1 or {shape[0]} channels, it has "
            f"{gain.shape[1]} x {gain.shape[2]} and {gain.shape[0]}. Choose the one that was made with these images."
        )
    means = gain.mean(axis=(1, 2), keepdims=True)
    if not (np.isfinite(gain).all() and (means > 0).all()):
        raise BadSettings("Expected a flat field with light everywhere, it is dark or not finite. Make it again.")
    return np.maximum(gain / means, _DARKEST)
