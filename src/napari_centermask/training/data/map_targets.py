"""What a U-Net shall answer: the maps of a training tile, drawn from its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_centermask.training.data.sampler import TileSampler
from napari_centermask.training.data.tile import TrainTile

IGNORED = 255
"""Class of pixels of which nothing is known."""
BORDER = 1.5
"""Pixels of a cell nearer than this to what is not the cell are its border: a line of one pixel, closed at corners."""
FAR = 20.0
"""Pixels from the foreground's edge at which the signed distance ends."""


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
        (T, T) float32 in [0, 1], distance to the cell's edge as a part of the cell's largest; 0 outside of cells.
    signed
        (T, T) float32 in [-1, 1], distance to the foreground's edge over `FAR`, negative inside; what the boundary loss
        takes.
    """

    image: np.ndarray
    classes: np.ndarray
    border: np.ndarray
    distance: np.ndarray
    signed: np.ndarray


class MapTiles:
    """The tiles of a sampler with their maps; drawn and computed by the processes that prepare tiles."""

    def __init__(self, tiles: TileSampler) -> None:
        self.tiles = tiles

    def __getitem__(self, index: int) -> MapTile:
        """Tile number `index` of the endless sequence."""
        return map_tile(self.tiles[index])


def map_tile(tile: TrainTile) -> MapTile:
    """Draw the maps of a tile.

    Where cells overlap the pixel is of the cell in which it lies deeper, a border, and no deeper than in the other one:
    so no seed lies between the two. Background is not known where nobody looked, and around cells of which too little
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
    """The box of a cell with a pixel more on each side, where the tile has one."""
    x0, y0 = np.maximum(np.floor(box[:2]).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(box[2:]).astype(int) + 1, side)
    return slice(y0, max(y0, y1)), slice(x0, max(x0, x1))


def _depth(inside: np.ndarray) -> np.ndarray:
    """(h, w) float32 pixels to the nearest one outside of the cell; where the tile ends the cell does not."""
    if inside.all():
        return np.full(inside.shape, FAR, np.float32)
    return distance_transform_edt(inside).astype(np.float32)


def _signed(inside: np.ndarray) -> np.ndarray:
    if inside.all() or not inside.any():
        return np.full(inside.shape, -1.0 if inside.any() else 1.0, np.float32)
    # Half a pixel from each side: the edge lies between two pixels.
    outer, inner = (distance_transform_edt(part) for part in (~inside, inside))
    distance = np.where(inside, 0.5 - inner, outer - 0.5)
    return (np.clip(distance, -FAR, FAR) / FAR).astype(np.float32)


def _unknown(tile: TrainTile) -> np.ndarray:
    side = tile.image.shape[1]
    unknown = np.zeros((side, side), bool) if tile.unreviewed is None else tile.unreviewed.astype(bool)
    for box in tile.ignore:
        unknown[_window(box, side)] = True
    return unknown
