"""Uneven illumination that all images of a microscope share: estimated from many of them, or measured."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from napari_centermask.core.errors import BadImage, BadSettings

# Of the mean illumination; darker corners are not brightened further. A choice: noise is amplified twenty times at most.
_DARKEST = 0.05


def estimate_gain(planes: Iterable[np.ndarray], *, dark: float = 0.0, smooth: float = 0.1) -> np.ndarray:
    """Estimate the illumination that many images of one microscope share: their smoothed mean. Cells must be in varying places.

    Parameters
    ----------
    planes
        (C, H, W) images of one size; ten or more, so that no cell is visible in the mean.
    dark
        Grey level of the camera in the dark.
    smooth
        Sigma of the Gaussian, as a fraction of the longer side; a tenth is a choice, wider than cells and narrower than
        vignetting.

    Returns
    -------
    numpy.ndarray
        (C, H, W) float32 of mean 1 in each channel.

    Raises
    ------
    BadImage
        If there are no images, they differ in shape, are not finite, or are not brighter than `dark`.
    """
    total, n = None, 0
    for plane in planes:
        plane = np.asarray(plane, np.float64)
        if total is not None and plane.shape != total.shape:
            raise BadImage(f"The images differ in shape: {total.shape} and {plane.shape}. Choose images of one camera.")
        total, n = plane if total is None else total + plane, n + 1
    if total is None:
        raise BadImage("There are no images to estimate the illumination from. Choose some.")
    if not np.isfinite(total).all():
        raise BadImage("An image has NaN or infinite intensities. Leave it out.")
    light = total / n - dark
    sigma = smooth * max(light.shape[1:])
    even = ndimage.gaussian_filter(light, (0, sigma, sigma), mode="nearest")
    means = even.mean(axis=(1, 2), keepdims=True)
    if not (means > 0).all():
        raise BadImage(f"The images are not brighter than the dark level {dark:g}. Choose a lower one.")
    field: np.ndarray = (even / means).astype(np.float32)
    return field


def gain_of(field: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Prepare a flat field for dividing an image by it.

    Parameters
    ----------
    field
        (H, W) or (C, H, W) image of an even specimen.
    shape
        (C, H, W) of the image.

    Returns
    -------
    numpy.ndarray
        (1 or C, H, W) float32 of mean 1.

    Raises
    ------
    BadSettings
        If it differs in size from the image, or is dark.
    """
    gain = np.asarray(field, np.float32)
    gain = gain[None] if gain.ndim == 2 else gain
    if gain.shape[1:] != shape[1:] or gain.shape[0] not in (1, shape[0]):
        raise BadSettings(
            f"The flat field must have {shape[1]} x {shape[2]} pixels and 1 or {shape[0]} channels; it has "
            f"{gain.shape[1]} x {gain.shape[2]} and {gain.shape[0]}. Choose the one that belongs to these images."
        )
    means = gain.mean(axis=(1, 2), keepdims=True)
    if not (np.isfinite(gain).all() and (means > 0).all()):
        raise BadSettings("The flat field is dark or not finite. Make a new one.")
    bounded: np.ndarray = np.maximum(gain / means, _DARKEST)
    return bounded
