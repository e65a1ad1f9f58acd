"""Two layers of cells in one image, as in a thick sample: MixUp for instances."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_centermask.training.data.light import is_transmitted
from napari_centermask.training.data.tile import TrainTile


def laid_over(tile: TrainTile, other: TrainTile, light: float) -> TrainTile:
    """The tile with the light of another one's cells added; the cells of both, whole, also where they overlap.

    MixUp (arXiv 1710.09412) mixes images and weighs their labels; here both layers really are in the image, so the cells of both
    are true. In transmitted light, where two layers darken each other, the tile stays as it is.

    Parameters
    ----------
    light
        Factor on the light of the other tile.
    """
    if is_transmitted(tile.image) or is_transmitted(other.image) or len(tile.image) != len(other.image):
        return tile
    floor = np.percentile(other.image[:, ::4, ::4], 20, axis=(1, 2)).astype(np.float32)[:, None, None]
    image = tile.image + np.float32(light) * np.maximum(other.image - floor, 0)
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(tile, name), getattr(other, name)])
        for name in ("boxes", "classes", "masks", "ignore")
    }
    return replace(tile, image=image, unreviewed=_either(tile.unreviewed, other.unreviewed), **joined)


def _either(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    """What nobody reviewed in one of the layers; cells there may be missing."""
    return b if a is None else a if b is None else np.maximum(a, b)
