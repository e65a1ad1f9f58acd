"""Random changes of training tiles: image, boxes and masks together.

Every function is pure: it returns new arrays, and the same generator state gives the same result. Images are (C, H, W)
float32 as `core.normalise` makes them (0 = dark, 1 = bright, clipped to [-0.5, 2]); masks are (N, H, W) uint8 of 0 and 1;
boxes are (N, 4) float32 (x0, y0, x1, y1) in pixels.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_centermask.core.normalise import CLIP
from napari_centermask.settings import AugmentSettings
from napari_centermask.training.data.light import changed_light

# How often each change is made: chosen, not measured. How strong it is: see `AugmentSettings`.
_UNEVEN = 0.3
_BLURRED = 0.3
_NOISY = 0.4
_LEAST_BLUR = 0.2  # sigma in pixels; in a narrower Gaussian a neighbour weighs less than 4e-6 of the pixel
# How the strengths are spread over their parts, and how large specks are: chosen, not measured.
_BRIGHTNESS, _CONTRAST, _GAMMA = 0.4, 1.2, 1.5  # of `AugmentSettings.intensity`; the last two are logarithms
_CURVED = 0.7  # weight of the quadratic part of an uneven illumination beside the linear one
_SPECKS = 4  # fewer than so many
_SPECK_RADIUS, _SPECK_LIGHT = (0.8, 5.0), (0.9, 1.3)  # pixels, and intensity
_DIMMED = 0.1, 0.7  # what specks leave of the range to everything else


def flip_turn(
    image: np.ndarray, boxes: np.ndarray, masks: np.ndarray, *, flip: bool, turns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mirror left-right if `flip`, then rotate by `turns` quarter turns counter-clockwise.

    Parameters
    ----------
    image, masks
        (..., H, W) arrays over the same pixels.
    boxes
        (N, 4) float (x0, y0, x1, y1).
    """
    boxes = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    if flip:
        image, masks = image[..., ::-1], masks[..., ::-1]
        width = image.shape[-1]
        boxes = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
    for _ in range(turns % 4):
        width = image.shape[-1]
        image, masks = np.rot90(image, axes=(-2, -1)), np.rot90(masks, axes=(-2, -1))
        boxes = np.stack([boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0]], axis=1)
    return np.ascontiguousarray(image), boxes, np.ascontiguousarray(masks)


def rotate(image: np.ndarray, masks: np.ndarray, angle: float, *, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotate by `angle` degrees counter-clockwise about the centre and crop the central `side` x `side` pixels.

    Masks are rotated as grey values and thresholded at one half, so they stay aligned with the bilinear image. A square of
    `rotated_side(side, angle)` pixels is large enough to leave no empty corner; outside the input there are zeros.
    """

    def turn(plane: np.ndarray) -> np.ndarray:
        height, width = plane.shape
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        # Pillow maps output pixel centres to the input by x' = a x + b y + c.
        cx, cy, half = width / 2, height / 2, side / 2
        matrix = (c, -s, cx - c * half + s * half, s, c, cy - s * half - c * half)
        picture = Image.fromarray(plane)
        return np.asarray(picture.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))

    turned = np.stack([turn(np.ascontiguousarray(plane, dtype=np.float32)) for plane in image])
    cells = np.zeros((len(masks), side, side), dtype=np.uint8)
    for number, mask in enumerate(masks):
        cells[number] = turn(mask * np.uint8(255)) >= 128
    return turned, cells


def rotated_side(side: int, angle: float) -> int:
    """Side of the square that contains a square of `side` rotated by `angle` degrees."""
    c, s = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    return math.ceil(side * (c + s))


def shift_field(shape: tuple[int, int], strength: float, rng: np.random.Generator, *, grid: int = 5) -> np.ndarray:
    """(2, H, W) float32 smooth random shifts (y, x) of at most about `strength` pixels, drawn on a grid of 5 x 5 (a choice).

    Source: P. Simard et al., Best Practices for Convolutional Neural Networks, ICDAR 2003, section 2.
    """
    coarse = rng.uniform(-strength, strength, (2, grid, grid)).astype(np.float32)
    size = (shape[1], shape[0])
    return np.stack([np.asarray(Image.fromarray(c).resize(size, Image.Resampling.BICUBIC)) for c in coarse])


def bend(image: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Sample (C, h, w) float32 planes at shifted positions, bilinear; border pixels are repeated outside.

    Parameters
    ----------
    shift
        (2, h, w) of the same window as the planes.
    """
    y, x = np.mgrid[: shift.shape[1], : shift.shape[2]].astype(np.float32)
    at = np.stack([y + shift[0], x + shift[1]])
    return np.stack([map_coordinates(plane, at, order=1, mode="nearest") for plane in image])


def bend_masks(masks: np.ndarray, boxes: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Masks (N, H, W) uint8 under the same shifts, each computed in the window of its box only."""
    margin = math.ceil(float(np.abs(shift).max(initial=0))) + 1
    bent = np.zeros_like(masks)
    height, width = masks.shape[1:]
    for number, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        x0, y0 = np.maximum(np.floor(box[:2]).astype(int) - margin, 0)
        x1, y1 = np.minimum(np.ceil(box[2:]).astype(int) + margin, (width, height))
        window = np.s_[y0:y1, x0:x1]
        if y0 < y1 and x0 < x1:
            part = bend(mask[window][None].astype(np.float32), shift[:, y0:y1, x0:x1])[0]
            bent[number][window] = part >= 0.5
    return bent


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """Tight boxes of masks.

    Parameters
    ----------
    masks
        (N, H, W) uint8 or bool.

    Returns
    -------
    numpy.ndarray
        (N, 4) float32 (x0, y0, x1, y1), half-open pixel edges; zeros for an empty mask.
    """
    boxes = np.zeros((len(masks), 4), dtype=np.float32)
    for number, mask in enumerate(masks):
        rows = np.flatnonzero(mask.any(axis=1))
        if rows.size:
            cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
            boxes[number] = cols[0], rows[0], cols[-1] + 1, rows[-1] + 1
    return boxes


def tone(image: np.ndarray, *, brightness: float, contrast: float, gamma: float) -> np.ndarray:
    """Apply `contrast * x ** gamma + brightness`; below zero the power keeps the sign."""
    if gamma != 1.0:
        image = np.sign(image) * np.abs(image) ** np.float32(gamma)
    return image * np.float32(contrast) + np.float32(brightness)


def channel_jitter(image: np.ndarray, factors: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Scale and shift each channel; `factors` and `offsets` are (C,)."""
    shape = (-1, 1, 1)
    return image * np.asarray(factors, np.float32).reshape(shape) + np.asarray(offsets, np.float32).reshape(shape)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of each channel, sigma in pixels."""
    return np.stack([gaussian_filter(plane, sigma, truncate=3.0, mode="nearest") for plane in image])


def noise(image: np.ndarray, rng: np.random.Generator, *, gaussian: float, poisson: float) -> np.ndarray:
    """Add noise of variance `gaussian ** 2 + poisson ** 2 * x`: camera noise and photon noise."""
    spread = np.sqrt(np.float32(gaussian**2) + np.float32(poisson**2) * np.maximum(image, 0))
    return image + spread * rng.standard_normal(image.shape, dtype=np.float32)


def illuminate(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Uneven illumination: a smooth field of range [-1, 1] x `strength`, multiplied in or added."""
    height, width = image.shape[1:]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    a, b, c, d, e = rng.uniform(-1, 1, 5).astype(np.float32)
    field = a * y + b * x + _CURVED * (c * y * y + d * x * x + e * x * y)
    field *= np.float32(strength) / max(float(np.abs(field).max()), 1e-6)
    return image * (1 + field) if rng.random() < 0.5 else image + 0.5 * field


def to_grey(image: np.ndarray) -> np.ndarray:
    """The channels' mean in every channel."""
    return np.repeat(image.mean(axis=0, keepdims=True, dtype=np.float32), len(image), axis=0)


def drop_channel(image: np.ndarray, rng: np.random.Generator, probability: float) -> np.ndarray:
    """With a probability, empty one channel, like a missing one; an only channel is kept."""
    if len(image) == 1 or rng.random() >= probability:
        return image
    image = image.copy()
    image[rng.integers(len(image))] = 0
    return image


def add_specks(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dust or debris: a few small bright disks, and everything else dimmed as by an intensity range that they set.

    The intensity range of an image ends at a high percentile, so that specks of half a percent of the pixels leave a tenth
    to a half of it to the cells.
    """
    dim = np.float32(np.exp(rng.uniform(*np.log(_DIMMED))))
    floor = np.percentile(image[:, ::4, ::4], 1, axis=(1, 2)).astype(np.float32)[:, None, None]
    image = floor + (image - floor) * dim
    height, width = image.shape[1:]
    y, x = np.ogrid[:height, :width]
    for _ in range(int(rng.integers(0, _SPECKS))):
        cy, cx, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(*_SPECK_RADIUS)
        cover = np.clip(radius + 0.5 - np.hypot(y - cy, x - cx), 0, 1).astype(np.float32)
        image = image + cover * (np.float32(rng.uniform(*_SPECK_LIGHT)) - image)
    return image


def invert(image: np.ndarray) -> np.ndarray:
    """Exchange dark and bright: 0 becomes 1."""
    return 1 - image


def appearance(image: np.ndarray, rng: np.random.Generator, settings: AugmentSettings) -> np.ndarray:
    """All random changes that do not move the cells, in the order of the light path.

    Returns
    -------
    numpy.ndarray
        (C, H, W) float32, clipped to the range of `core.normalise`.
    """
    colour = len(image) > 1
    if colour and rng.random() < settings.grey:
        image = to_grey(image)
    if rng.random() < settings.invert:
        image = invert(image)
    if settings.gradient and rng.random() < _UNEVEN:
        image = illuminate(image, rng, settings.gradient * rng.random())
    if settings.blur and rng.random() < _BLURRED:
        sigma = settings.blur * rng.random()
        image = blur(image, sigma) if sigma > _LEAST_BLUR else image
    image = _random_tone(image, rng, settings.intensity, colour=colour)
    if settings.specks and rng.random() < settings.specks:
        image = add_specks(image, rng)
    image = changed_light(image, rng, settings)
    if settings.noise and rng.random() < _NOISY:
        # Squared: mostly faint, occasionally at full strength.
        level = settings.noise * rng.random() ** 2
        image = noise(image, rng, gaussian=level * rng.random(), poisson=level)
    return np.clip(image, *CLIP).astype(np.float32, copy=False)


def _random_tone(image: np.ndarray, rng: np.random.Generator, strength: float, *, colour: bool) -> np.ndarray:
    if not strength:
        return image
    brightness, contrast, gamma = rng.uniform(-1, 1, 3) * strength
    if colour and rng.random() < 0.5:
        factors, offsets = rng.uniform(-1, 1, (2, len(image))) * strength * 0.5
        image = channel_jitter(image, np.exp(factors), offsets * 0.5)
    power = math.exp(_GAMMA * gamma) if rng.random() < 0.5 else 1.0
    return tone(image, brightness=_BRIGHTNESS * brightness, contrast=math.exp(_CONTRAST * contrast), gamma=power)
