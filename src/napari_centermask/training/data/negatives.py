"""Fields in which nothing is to be found: empty ones, and ones out of focus."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_centermask.core.normalise import intensity_range, normalise
from napari_centermask.training.data.augment import blur, illuminate
from napari_centermask.training.data.tile import TrainTile

_GRAIN = 0.0, 1.5  # sigma in pixels of the noise of an empty field, which cameras and codecs blur; a choice
_UNEVEN = 0.5  # largest unevenness of its light; a choice
_LEAST = 64  # pixels of background from which its noise is measured; a choice


def empty_field(tile: TrainTile, rng: np.random.Generator) -> TrainTile:
    """The tile without its cells: the level and the noise of its background, stretched to the whole intensity range.

    A field without cells looks so in use, as its range is that of its noise.
    """
    outside = ~tile.masks.any(axis=0) if len(tile.masks) else np.ones(tile.image.shape[1:], bool)
    planes = []
    for plane in tile.image:
        values = plane[outside] if np.count_nonzero(outside) >= _LEAST else plane.ravel()
        middle = float(np.median(values))
        spread = 1.4826 * float(np.median(np.abs(values - middle)))
        planes.append(middle + max(spread, 1e-3) * rng.standard_normal(plane.shape))
    image = illuminate(blur(np.array(planes, np.float32), rng.uniform(*_GRAIN)), rng, _UNEVEN * rng.random() ** 2)
    return _nothing(tile, image)


def out_of_focus(tile: TrainTile, sigma: float) -> TrainTile:
    """The tile so far out of focus that no cell has an edge; its cells are no longer looked for.

    Parameters
    ----------
    sigma
        Of the Gaussian blur, in pixels.
    """
    return _nothing(tile, blur(tile.image, sigma))


def _nothing(tile: TrainTile, image: np.ndarray) -> TrainTile:
    """A tile of background alone, in its own intensity range; what nobody reviewed is background, too."""
    low, high = intensity_range(image)
    none: dict[str, Any] = {
        "boxes": tile.boxes[:0],
        "classes": tile.classes[:0],
        "masks": tile.masks[:0],
        "ignore": tile.ignore[:0],
    }
    return replace(tile, image=normalise(image, low, high), unreviewed=None, **none)
