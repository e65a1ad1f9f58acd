"""The probability of each category in each pixel of an image, from a U-Net, before cells are separated."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Box
from napari_centermask.engines import AnyEngine
from napari_centermask.models.families import family_of
from napari_centermask.pipeline.detector import make_detector
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.pipeline.passes import Pass
from napari_centermask.pipeline.plane_cells import tiles_of
from napari_centermask.pipeline.progress import Progress, scaled_to
from napari_centermask.settings import SegmentSettings


def class_map_steps(
    plane: ModelInput, engine: AnyEngine, settings: SegmentSettings, passes: Sequence[Pass]
) -> Generator[Progress, None, np.ndarray]:
    """Compute class maps of a plane, yielding between tiles.

    Tiles are blended: each has less weight towards its edge, where it has less context, so that no seam is left. Of several
    passes, smaller cells lie on larger ones.

    Parameters
    ----------
    passes
        Diameters of typical cells in image pixels, and the categories that are looked for at each, smallest first.

    Returns
    -------
    numpy.ndarray
        (1 + categories, H, W) float32 probabilities, background first, that sum to 1; all in memory.

    Raises
    ------
    BadSettings
        If the model is not a U-Net.
    """
    card = engine.card
    if not family_of(card).has_class_maps:
        raise BadSettings(f"Class maps need a U-Net, but '{card.name}' detects cells one by one. Choose another model.")
    n = 1 + len(card.model.categories)
    if plane.is_blank:
        return _background(n, plane.shape)
    joined = np.zeros((n, *plane.shape), np.float32)
    joined[0] = 1
    for number, one in enumerate(passes):
        steps = _maps_at(plane, engine, settings, one.diameter)
        title = f"Pass {number + 1} of {len(passes)}: " if len(passes) > 1 else ""
        maps = yield from scaled_to(steps, number, len(passes), title)
        if one.classes is None:
            return maps
        own = [1 + k for k in sorted(one.classes)]
        joined[own] = maps[own] * joined[0]
        joined[0] *= 1 - maps[own].sum(axis=0)
    return joined


def _maps_at(
    plane: ModelInput, engine: AnyEngine, settings: SegmentSettings, diameter: float
) -> Generator[Progress, None, np.ndarray]:
    """The maps of one pass."""
    card, detector = engine.card, make_detector(engine, settings)
    scaled = plane.scaled(card.diameter / diameter)
    tiles = tiles_of(scaled, settings)
    total = np.zeros((1 + len(card.model.categories), *scaled.shape), np.float32)
    weights = np.zeros(scaled.shape, np.float32)
    for number, tile in enumerate(tiles):
        yield Progress(number, len(tiles), f"Tile {number + 1} of {len(tiles)}")
        y0, x0, y1, x1 = tile.box
        weight = _weight(tile.box, scaled.shape)
        total[:, y0:y1, x0:x1] += detector.class_maps(scaled, tile.box) * weight
        weights[y0:y1, x0:x1] += weight
    total /= weights
    return total if scaled.shape == plane.shape else _resized(total, plane.shape)


def class_image(maps: np.ndarray) -> np.ndarray:
    """(H, W) uint8: 0 where background is most likely, else the category's id (from 1)."""
    ids: np.ndarray = maps.argmax(axis=0).astype(np.uint8)
    return ids


def _background(n: int, shape: tuple[int, int]) -> np.ndarray:
    maps = np.zeros((n, *shape), np.float32)
    maps[0] = 1
    return maps


def _weight(box: Box, shape: tuple[int, int]) -> np.ndarray:
    """(h, w) float32: weights that fall towards the tile's edge, except where the tile ends with the image."""
    sides = []
    for start, stop, length in ((box[0], box[2], shape[0]), (box[1], box[3], shape[1])):
        at = (np.arange(start, stop) + 0.5 - start) / (stop - start)
        rise = at if start > 0 else np.ones_like(at)
        fall = 1 - at if stop < length else np.ones_like(at)
        sides.append(np.sin(np.pi / 2 * np.minimum(1, 2 * np.minimum(rise, fall))) ** 2)
    weights: np.ndarray = np.multiply.outer(*sides).astype(np.float32)
    return weights


def _resized(maps: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Maps resized to the image; they still sum to 1."""
    from PIL import Image

    size = shape[1], shape[0]
    return np.stack([np.asarray(Image.fromarray(m).resize(size, Image.Resampling.BILINEAR)) for m in maps])
