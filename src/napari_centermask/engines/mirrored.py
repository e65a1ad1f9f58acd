"""A CenterMask that looks at a tile and at its mirror images, and averages what it sees."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from napari_centermask.engines import Engine, Features
from napari_centermask.engines.decode import sigmoid
from napari_centermask.models.store.card import ModelCard

FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))
"""Axes of a batch of tiles (B, C, H, W) to reverse: the tile itself first."""

_SWAPPED = {2: [0, 3, 2, 1], 3: [2, 1, 0, 3]}  # left, top, right, bottom in a tile with reversed rows or columns


class MirroredEngine:
    """An `Engine` whose outputs are means over a tile and its three mirror images; takes four times as long.

    Scores and boxes are averaged at each location, the boxes weighted by their scores, so that detection goes on as for
    one tile. Masks of a box are averaged as probabilities.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name, self.device = engine.name, engine.device
        self.precision, self.batch = engine.precision, engine.batch
        self.card: ModelCard = engine.card

    def features(self, tiles: np.ndarray) -> Features:
        """See `Engine.features`; `pyramid` holds the `Features` of each mirror image."""
        seen = [self._engine.features(np.ascontiguousarray(np.flip(tiles, axes))) for axes in FLIPS]
        back = [self._turned_back(one, axes) for one, axes in zip(seen, FLIPS, strict=True)]
        logits, ltrb, centerness = (np.stack(arrays) for arrays in zip(*back, strict=True))
        classes, centres = sigmoid(logits), sigmoid(centerness)
        weight = (classes.max(axis=-1) * centres)[..., None] + np.finfo(np.float32).tiny
        return Features(
            seen[0].tile_shape,
            tuple(seen),
            _logit(classes.mean(axis=0)),
            (ltrb * weight).sum(axis=0) / weight.sum(axis=0),
            _logit(centres.mean(axis=0)),
        )

    def masks(
        self, features: Features, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Engine.masks`."""
        height, width = features.tile_shape
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        masks, qualities = [], []
        for seen, axes in zip(features.pyramid, FLIPS, strict=True):
            mask, quality = self._engine.masks(seen, _flipped_boxes(boxes, axes, height, width), classes, index=index)
            masks.append(np.flip(mask, tuple(axis - 1 for axis in axes)))  # (N, s, s): rows are axis 1, columns axis 2
            qualities.append(quality)
        return np.stack(masks).mean(axis=0), np.stack(qualities).mean(axis=0)

    def _turned_back(self, seen: Features, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Class logits, distances and centerness at the locations of the tile that was not mirrored."""
        order = _mirrored_locations(seen.tile_shape, self.card.strides, axes)
        ltrb = seen.ltrb[:, order]
        for axis in axes:
            ltrb = ltrb[..., _SWAPPED[axis]]
        return seen.logits[:, order], ltrb, seen.centerness[:, order]


def _mirrored_locations(shape: tuple[int, int], strides: Iterable[int], axes: tuple[int, ...]) -> np.ndarray:
    """(L,) the location of a mirrored tile that lies where each location of the tile does.

    On levels whose stride does not divide the tile (P6, P7), mirrored locations lie up to half a stride beside.
    """
    rows, start = [], 0
    for stride in strides:
        height, width = (-(-side // stride) for side in shape)
        grid = np.arange(start, start + height * width).reshape(height, width)
        rows.append(np.flip(grid, tuple(axis - 2 for axis in axes)).ravel())
        start += height * width
    return np.concatenate(rows)


def _flipped_boxes(boxes: np.ndarray, axes: tuple[int, ...], height: int, width: int) -> np.ndarray:
    """Boxes (x0, y0, x1, y1) of a tile, as they lie in its mirror image."""
    boxes = boxes.copy()
    if 3 in axes:
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    if 2 in axes:
        boxes[:, [1, 3]] = height - boxes[:, [3, 1]]
    return boxes


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return np.asarray(np.log(p / (1 - p)), np.float32)
