"""A tile as the network and its losses see it; it can be rotated or deformed as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_centermask.training.data import augment

VISIBLE_PART = 0.3
VISIBLE_PIXELS = 12
"""A cell cut by the tile is used for training if at least this much of it is visible, else ignored. Choices: less says little
of the cell."""


@dataclass(frozen=True)
class TrainTile:
    """A tile as the network and its losses see it.

    Attributes
    ----------
    image
        (C, T, T) float32, normalised.
    boxes
        (N, 4) float32 (x0, y0, x1, y1) of each cell's visible part, tile pixels.
    classes
        (N,) int64, index into the model's categories.
    masks
        (N, T, T) uint8 of 0 and 1.
    ignore
        (M, 4) float32, boxes of cells of which too little is visible.
    unreviewed
        (T, T) uint8, 1 where background is not known to be background; None if everything is reviewed.
    seed
        Of random choices in the losses, which are thus the same in whichever process the tile is; None to choose freely.
    """

    image: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    masks: np.ndarray
    ignore: np.ndarray
    unreviewed: np.ndarray | None = None
    seed: int | None = None


def rotated(tile: TrainTile, angle: float, side: int) -> TrainTile:
    """The tile rotated by an angle in degrees and cropped to `side`; cells of which too little is left are ignored."""
    area = tile.masks.sum(axis=(1, 2))
    unreviewed = tile.unreviewed
    if unreviewed is not None:
        unreviewed = augment.rotate(tile.image[:1], unreviewed[None], angle, side=side)[1][0]
    image, masks = augment.rotate(tile.image, tile.masks, angle, side=side)
    seen = masks.sum(axis=(1, 2))
    boxes = augment.boxes_of(masks)
    keep = (seen >= VISIBLE_PIXELS) & (seen >= VISIBLE_PART * area)
    ignore = boxes[~keep & (seen > 0)]
    return TrainTile(image, boxes[keep], tile.classes[keep], masks[keep], ignore, unreviewed)


def bent(tile: TrainTile, strength: float, rng: np.random.Generator) -> TrainTile:
    """The tile under an elastic deformation; cells that leave it are removed."""
    shift = augment.shift_field(tile.image.shape[1:], strength, rng)
    masks = augment.bend_masks(tile.masks, tile.boxes, shift)
    keep = masks.sum(axis=(1, 2)) >= VISIBLE_PIXELS
    unreviewed = tile.unreviewed
    if unreviewed is not None:
        unreviewed = (augment.bend(unreviewed[None].astype(np.float32), shift)[0] >= 0.5).astype(np.uint8)
    side = tile.image.shape[1]
    ignore = np.clip(tile.ignore + np.array([-1, -1, 1, 1], np.float32) * np.float32(strength), 0, side)
    boxes = augment.boxes_of(masks[keep])
    return TrainTile(augment.bend(tile.image, shift), boxes, tile.classes[keep], masks[keep], ignore, unreviewed)
