"""An image as input of a network: checked, corrected, normalised, scaled, and read window by window."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_centermask.core.array import Array, OneChannel
from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.illumination import corrected
from napari_centermask.core.instances import Box
from napari_centermask.core.normalise import intensity_range, normalise
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline.channels import MISSING, choose_channels, with_stained_channel
from napari_centermask.pipeline.correction import correction_of, own_preprocess
from napari_centermask.settings import SegmentSettings

Ranges = dict[int, tuple[np.ndarray, np.ndarray]]

ALIGN = 32
"""The coarsest stride of the backbones, of which a tile's sides must be multiples."""
LEAST = 64  # network pixels: OpenVINO refuses pooling windows that are smaller than the kernel
_LARGEST_SCALE = 16.0  # a choice: cells of 3 pixels for a model of 40, which show nothing when they are enlarged
_SAME_SCALE = 0.03  # a scale this close to 1 is rounded to 1 to avoid blur; a choice, far below how cells differ
_STRIP = 1 << 23  # source pixels to resize at once when scaling down: a choice, 32 MB of float32


def nominal_scale(scale: float) -> float:
    """The scale, rounded to 1 if close to it; the same for training and segmentation, as corrections depend on it."""
    return 1.0 if abs(scale - 1) <= _SAME_SCALE else scale


@dataclass(frozen=True)
class ModelInput:
    """An image plane with the channels and intensities that a model expects.

    Attributes
    ----------
    image
        (C, H, W) array-like, sliced lazily.
    channels
        The channels that the model sees, in order; the channel of a grey image is repeated, and `MISSING` is an empty one.
    card
        The model's card.
    settings
        Completed with the model's own preprocessing.
    ranges
        Channel -> (lo, hi), each (1,) float32, of the uncorrected intensities.
    """

    image: Array
    channels: tuple[int, ...]
    card: ModelCard
    settings: SegmentSettings
    ranges: Ranges
    _corrected: dict[float, tuple[Array, Ranges]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, image: Array, card: ModelCard, settings: SegmentSettings) -> ModelInput:
        """Check an image and measure its intensity range.

        Parameters
        ----------
        image
            (C, H, W) or (H, W) array-like of bool, integers or floats.

        Raises
        ------
        BadImage
            If its axes or channels do not fit the model, or it has no pixels, no real numbers, or only NaN.
        BadSettings
            If channel names or a flat field do not fit the image.
        """
        image, channels = check_form(image, card, settings)
        settings = settings.model_copy(update={"preprocess": own_preprocess(settings, card)})
        return cls(image, channels, card, settings, _ranges(image, channels, card, settings))

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image."""
        return int(self.image.shape[1]), int(self.image.shape[2])

    @property
    def is_blank(self) -> bool:
        """Whether every channel is constant."""
        return all((lo >= hi).all() for lo, hi in self.ranges.values())

    def scaled(self, scale: float) -> ScaledInput:
        """The image at `scale`; 1 if it is within 3 % of that.

        Raises
        ------
        BadSettings
            If the image would be enlarged by more than 16.
        """
        if scale > _LARGEST_SCALE:
            least = self.card.diameter / _LARGEST_SCALE
            raise BadSettings(
                f"This model needs a cell diameter of at least {least:.1f} pixels, "
                f"not {self.card.diameter / scale:.2g}. Enlarge the image or give the true diameter."
            )
        return ScaledInput(self, nominal_scale(scale))

    def corrected(self, scale: float) -> tuple[Array, Ranges]:
        """The image corrected at a scale, and its intensity ranges, which are measured once."""
        correction = correction_of(self.settings.preprocess, scale)
        if correction.is_empty:
            return self.image, self.ranges
        if scale not in self._corrected:
            image = corrected(self.image, correction)
            self._corrected[scale] = image, _ranges(image, self.channels, self.card, self.settings)
        return self._corrected[scale]


class ScaledInput:
    """A model input at another scale. Boxes and pixels of the scaled image are called network pixels.

    Attributes
    ----------
    shape
        (H, W) in network pixels.
    factors
        (y, x) network pixels per image pixel.
    ranges
        As in `ModelInput`, of the intensities after correction.
    unscaled
        The unscaled input.
    """

    def __init__(self, unscaled: ModelInput, scale: float) -> None:
        height, width = unscaled.shape
        self.unscaled = unscaled
        self.shape = max(1, round(height * scale)), max(1, round(width * scale))
        self.factors = self.shape[0] / height, self.shape[1] / width
        self._image, self.ranges = unscaled.corrected(scale)

    def read(self, box: Box) -> np.ndarray:
        """Read a window for the network.

        Parameters
        ----------
        box
            (y0, x0, y1, x1) in network pixels, inside the scaled image.

        Returns
        -------
        numpy.ndarray
            (1, C, H, W) float32, H and W padded to multiples of 32 from 64 on at the bottom and right: by mirroring, as
            zeros would look like a dark edge; by zeros for models of the reference, which were trained so.
        """
        card = self.unscaled.card
        planes = {c: self._plane(c, box) for c in self.ranges}
        if MISSING in self.unscaled.channels:
            planes[MISSING] = np.zeros((box[2] - box[0], box[3] - box[1]), np.float32)
        tile = np.stack([planes[c] for c in self.unscaled.channels])
        if card.normalisation == "reference":
            tile = tile[::-1] * np.float32(255) if len(tile) == 3 else tile * np.float32(255)
        mean, std = (np.asarray(v, np.float32).reshape(-1, 1, 1) for v in (card.mean, card.std))
        if mean.any() or (std != 1).any():
            tile = (tile - mean) / std
        padding = [(0, 0), *((0, max(LEAST - side, -side % ALIGN)) for side in tile.shape[1:])]
        if card.normalisation == "reference":
            padded = np.pad(tile, padding, mode="constant")
        else:
            padded = np.pad(tile, padding, mode="symmetric")
        return np.ascontiguousarray(padded[None], dtype=np.float32)

    def to_image(self, boxes: np.ndarray) -> np.ndarray:
        """(N, 4) x0, y0, x1, y1 from network pixels to image pixels."""
        y, x = self.factors
        in_image: np.ndarray = boxes / np.array([x, y, x, y])
        return in_image

    def to_network(self, boxes: np.ndarray, window: Box) -> np.ndarray:
        """(N, 4) x0, y0, x1, y1 from image pixels to pixels of a window (network pixels)."""
        y, x = self.factors
        in_network: np.ndarray = boxes * np.array([x, y, x, y]) - np.array([window[1], window[0]] * 2)
        return in_network

    def window(self, box: Box) -> Box:
        """The image pixels that a window of network pixels covers."""
        (y, x), (height, width) = self.factors, self.unscaled.shape
        y1, x1 = int(np.ceil(box[2] / y - 1e-6)), int(np.ceil(box[3] / x - 1e-6))
        return int(box[0] / y + 1e-6), int(box[1] / x + 1e-6), min(y1, height), min(x1, width)

    def _plane(self, channel: int, box: Box) -> np.ndarray:
        """One normalised channel of a window, (h, w) float32."""
        if self.factors == (1.0, 1.0):
            return self._intensities(channel, box)
        (y0, x0, y1, x1), (fy, fx) = box, self.factors
        rows = max(1, int(_STRIP * fy * fx / (x1 - x0)))
        strips = [self._resize(channel, (y, x0, min(y + rows, y1), x1)) for y in range(y0, y1, rows)]
        return strips[0] if len(strips) == 1 else np.concatenate(strips)

    def _resize(self, channel: int, box: Box) -> np.ndarray:
        """Resize with antialiased bilinear interpolation, with enough margin that windows fit together."""
        from PIL import Image

        (fy, fx), (height, width) = self.factors, self.unscaled.shape
        top, left, bottom, right = box[0] / fy, box[1] / fx, min(box[2] / fy, height), min(box[3] / fx, width)
        my, mx = int(np.ceil(1 / fy)) + 2, int(np.ceil(1 / fx)) + 2
        y0, x0 = max(0, int(top) - my), max(0, int(left) - mx)
        y1, x1 = min(height, int(np.ceil(bottom)) + my), min(width, int(np.ceil(right)) + mx)
        plane = Image.fromarray(self._intensities(channel, (y0, x0, y1, x1)))
        part = left - x0, top - y0, right - x0, bottom - y0
        return np.asarray(plane.resize((box[3] - box[1], box[2] - box[0]), Image.Resampling.BILINEAR, box=part))

    def _intensities(self, channel: int, box: Box) -> np.ndarray:
        y0, x0, y1, x1 = box
        pixels = np.asarray(self._image[channel : channel + 1, y0:y1, x0:x1])
        plane: np.ndarray = normalise(pixels, *self.ranges[channel])[0]
        return plane.clip(0, 1) if self.unscaled.card.normalisation == "reference" else plane


def check_form(image: Array, card: ModelCard, settings: SegmentSettings) -> tuple[Array, tuple[int, ...]]:
    """Check everything that does not depend on pixels; it is the same for all planes of an image.

    Returns
    -------
    image
        With a channel axis.
    channels
        The image's channel for each of the model's.

    Raises
    ------
    BadImage, BadSettings
        See `ModelInput.of`.
    """
    image = _checked(image)
    return image, choose_channels(image.shape[0], card, with_stained_channel(settings, card))


def _checked(image: Array) -> Array:
    if not hasattr(image, "shape") or not hasattr(image, "dtype"):
        image = np.asarray(image)
    if len(image.shape) == 2:
        image = np.asarray(image)[None]
    if len(image.shape) != 3:
        raise BadImage(
            f"A plane must have the shape (channels, height, width), but this has {len(image.shape)} axes: "
            f"{tuple(image.shape)}. Segment a stack plane by plane."
        )
    if image.dtype.kind not in "buif":
        raise BadImage(f"Pixels must be integers or real numbers, not {image.dtype}. Convert the image first.")
    if min(image.shape) == 0 or min(image.shape[1:]) < 2:
        size = " x ".join(str(n) for n in image.shape[1:])
        raise BadImage(f"An image must have at least 2 x 2 pixels, not {size}. Choose another image or layer.")
    return image


def _ranges(image: Array, channels: tuple[int, ...], card: ModelCard, settings: SegmentSettings) -> Ranges:
    """The intensities of the channels in use that map to 0 and 1."""
    used = dict.fromkeys(c for c in channels if c != MISSING)
    return {c: _range(image, c, card, settings) for c in used}


def _range(image: Array, channel: int, card: ModelCard, settings: SegmentSettings) -> tuple[np.ndarray, np.ndarray]:
    if card.normalisation == "reference" and image.dtype == np.uint8:
        return np.zeros(1, np.float32), np.full(1, 255, np.float32)
    try:
        return intensity_range(
            OneChannel(image, channel),
            settings.percentiles,
            zscore=card.normalisation == "zscore",
            specks=not settings.preprocess.ignore_specks,
        )
    except BadImage:
        raise BadImage(
            f"Channel {channel} has only NaN or infinite values. Choose another channel or correct the image."
        ) from None
