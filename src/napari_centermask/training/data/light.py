"""Random changes of exposure, stain and contrast, for images on which models fail.

Images are (C, H, W) float32 as in `augment`; every function returns a new array.
"""

from __future__ import annotations

import numpy as np

from napari_centermask.settings import AugmentSettings

_READ_NOISE = 1.0  # photons: a choice, of the order of a scientific camera's
_DARKEST = 0.02  # light that still comes through the densest spot, as a part of the range: a choice
_TRANSMITTED = 0.5  # an image whose median is above is taken in transmitted light: a choice, half of the range


def dim(image: np.ndarray, factor: float) -> np.ndarray:
    """Leave a part of the intensity range to the image, above its background, as where something much brighter ends the range."""
    floor = np.percentile(image[:, ::4, ::4], 1, axis=(1, 2)).astype(np.float32)[:, None, None]
    return np.asarray(floor + (image - floor) * np.float32(factor))


def photons(image: np.ndarray, rng: np.random.Generator, most: float) -> np.ndarray:
    """The noise of an exposure in which an intensity of 1 is `most` photons: Poisson, and that of reading the camera."""
    light = np.maximum(image, 0) * np.float32(most)
    counted = rng.poisson(light) + rng.normal(0, _READ_NOISE, image.shape)
    return np.asarray(counted / most, np.float32)


def optical_density(image: np.ndarray) -> np.ndarray:
    """What absorbed the light of an image in transmitted light: where two cells overlap, their densities add up."""
    return np.asarray(-np.log(np.clip(image, _DARKEST, None)), np.float32)


def transmitted(density: np.ndarray) -> np.ndarray:
    """The image of optical densities."""
    return np.asarray(np.exp(-density), np.float32)


def is_transmitted(image: np.ndarray) -> bool:
    """Whether cells are dark on a bright background."""
    return bool(np.median(image[:, ::4, ::4]) > _TRANSMITTED)


def stain(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Change how much of each stain an H&E image has, in optical density.

    Each of haematoxylin, eosin and DAB is multiplied by 1 + a and shifted by b times its spread, with a and b up to `strength`
    (Tellez et al., arXiv 1805.08263). Images on a dark background are no stains and stay as they are.
    """
    if len(image) != 3 or not is_transmitted(image):
        return image
    from skimage.color import hed2rgb, rgb2hed

    stains = rgb2hed(np.clip(image, 0, 1).transpose(1, 2, 0))
    factors, shifts = rng.uniform(-strength, strength, (2, 3))
    stains = stains * (1 + factors) + shifts * stains.std(axis=(0, 1))
    return np.asarray(hed2rgb(stains).transpose(2, 0, 1), np.float32)


def equalise(image: np.ndarray, limit: float) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation (CLAHE) of each channel, or of the brightness of a colour image."""
    from skimage.exposure import equalize_adapthist

    shown = np.clip(image, 0, 1).astype(np.float64)
    if len(image) == 3:
        return np.asarray(equalize_adapthist(shown.transpose(1, 2, 0), clip_limit=limit).transpose(2, 0, 1), np.float32)
    return np.stack([equalize_adapthist(plane, clip_limit=limit) for plane in shown]).astype(np.float32)


def changed_light(image: np.ndarray, rng: np.random.Generator, settings: AugmentSettings) -> np.ndarray:
    """The changes of this module, each with its probability; without any, nothing is drawn from `rng`."""
    if settings.stain and rng.random() < settings.stain:
        image = stain(image, rng, settings.stain_strength)
    if settings.clahe and rng.random() < settings.clahe:
        image = equalise(image, float(rng.uniform(*settings.clahe_limit)))
    if settings.dim and rng.random() < settings.dim:
        image = dim(image, drawn(rng, settings.dim_light))
    if settings.photon_noise and rng.random() < settings.photon_noise:
        image = photons(image, rng, drawn(rng, settings.photons))
    return image


def drawn(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """A factor between two, on a logarithmic scale."""
    return float(np.exp(rng.uniform(*np.log(limits))))
