"""Targets of a U-Net: the maps of a training tile, drawn from its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_centermask.training.data.tile import TrainTile

IGNORED = 255
"""Class of pixels that nobody reviewed: that of PASCAL VOC."""
BORDER = 1.5
"""Pixels of a cell nearer than this to its outside are its border: a line of one pixel, closed at corners."""
FAR = 20.0
"""Distance in pixels from the edge of the foreground at which the signed distance is cut off: a choice, the radius of a cell
of 40 pixels: what lies farther costs no more."""


@dataclass(frozen=True)
class MapTile:
    """A tile and its maps.

    Attributes
    ----------
    image
        (C, T, T) float32, normalised.
    classes
        (T, T) uint8: 0 background, 1 + index of the category, or `IGNORED`.
    border
        (T, T) uint8, 1 where a cell ends or two overlap.
    distance
        (T, T) float32 in [0, 1], distance to the cell's edge divided by its maximum in the cell; 0 outside of cells.
    signed
        (T, T) float32 in [-1, 1], distance to the foreground's edge over `FAR`, negative inside; what the boundary loss
        takes.
    """

    image: np.ndarray
    classes: np.ndarray
    border: np.ndarray
    distance: np.ndarray
    signed: np.ndarray


def map_tile(tile: TrainTile) -> MapTile:
    """Draw the maps of a tile.

    Where cells overlap, a pixel belongs to the cell in which it lies deeper, is a border, and gets the smaller depth of the two:
    so there is no seed between them. Background is unknown where nobody reviewed, and around cells of which too little
    is visible.
    """
    side = tile.image.shape[1]
    classes = np.zeros((side, side), np.uint8)
    border = np.zeros((side, side), np.uint8)
    deepest, distance = np.zeros((2, side, side), np.float32)
    for box, kind, mask in zip(tile.boxes, tile.classes, tile.masks, strict=True):
        window = _window(box, side)
        inside = mask[window] > 0
        depth = _depth(inside)
        relative = depth / max(float(depth.max(initial=0)), 1.0)
        shared = inside & (deepest[window] > 0)
        distance[window] = np.where(shared, np.minimum(distance[window], relative), distance[window] + relative)
        border[window] |= shared | (inside & (depth < BORDER))
        first = relative > deepest[window]
        classes[window][first] = kind + 1
        deepest[window][first] = relative[first]
    signed = _signed(classes > 0)
    classes[(classes == 0) & _unknown(tile)] = IGNORED
    return MapTile(tile.image, classes, border, distance, signed)


def _window(box: np.ndarray, side: int) -> tuple[slice, slice]:
    """The box of a cell, a pixel larger on each side within the tile."""
    x0, y0 = np.maximum(np.floor(box[:2]).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(box[2:]).astype(int) + 1, side)
    return slice(y0, max(y0, y1)), slice(x0, max(x0, x1))


def _depth(inside: np.ndarray) -> np.ndarray:
    """(h, w) float32 distance in pixels to the outside of the cell; the tile's border does not count as outside."""
    if inside.all():
        return np.full(inside.shape, FAR, np.float32)
    return distance_transform_edt(inside).astype(np.float32)


def _signed(inside: np.ndarray) -> np.ndarray:
    if inside.all() or not inside.any():
        return np.full(inside.shape, -1.0 if inside.any() else 1.0, np.float32)
    # Half a pixel on each side: the edge lies between two pixels.
    outer, inner = (distance_transform_edt(part) for part in (~inside, inside))
    distance = np.where(inside, 0.5 - inner, outer - 0.5)
    return (np.clip(distance, -FAR, FAR) / FAR).astype(np.float32)


def _unknown(tile: TrainTile) -> np.ndarray:
    side = tile.image.shape[1]
    unknown = np.zeros((side, side), bool) if tile.unreviewed is None else tile.unreviewed.astype(bool)
    for box in tile.ignore:
        unknown[_window(box, side)] = True
    return unknown
