"""The part of an image that becomes a tile, and its pixels and cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from napari_centermask.core.array import Array
from napari_centermask.core.instances import Box, Instance, at_border
from napari_centermask.training.data.augment import boxes_of as boxes_of_masks
from napari_centermask.training.data.packed_cells import boxes_of, some
from napari_centermask.training.data.sample import Sample
from napari_centermask.training.data.tile import VISIBLE_PART, VISIBLE_PIXELS


@dataclass(frozen=True)
class Window:
    """The square of an image that becomes a tile.

    Tile pixel edge t lies at image coordinate `x0 + t / scale`.
    """

    y0: float
    x0: float
    scale: float
    side: int

    def inside(self, origin: float, length: int) -> tuple[int, int]:
        """Tile pixels [start, stop) of one axis whose whole area lies in an image of this length."""
        start = max(0, math.ceil(-origin * self.scale - 1e-6))
        stop = min(self.side, math.floor((length - origin) * self.scale + 1e-6))
        return start, max(start, stop)


def cut_image(image: Array, window: Window) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Crop, then resize with Pillow's antialiased bilinear filter, as the pipeline does.

    Returns
    -------
    pixels
        (C, h, w) float32, raw intensities of the part of the tile inside the image.
    part
        (y0, x0, y1, x1) of that part in tile pixels.
    """
    height, width = image.shape[1:]
    ty0, ty1 = window.inside(window.y0, height)
    tx0, tx1 = window.inside(window.x0, width)
    rows = _source(window.y0, ty0, ty1, window.scale, height)
    cols = _source(window.x0, tx0, tx1, window.scale, width)
    crop = image[:, rows[0] : rows[1], cols[0] : cols[1]]
    box = (cols[2], rows[2], cols[3], rows[3])
    planes = [_resize(plane, (tx1 - tx0, ty1 - ty0), box) for plane in crop]
    return np.stack(planes), (ty0, tx0, ty1, tx1)


def _source(origin: float, start: int, stop: int, scale: float, length: int) -> tuple[int, int, float, float]:
    """Image pixels [first, last) to read, with the filter's margin, and the exact range within them."""
    a, b = max(0.0, origin + start / scale), min(float(length), origin + stop / scale)
    margin = math.ceil(max(1.0, 1 / scale)) + 1
    first, last = max(0, math.floor(a) - margin), min(length, math.ceil(b) + margin)
    return first, last, a - first, b - first


def _resize(plane: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box))


def cut_mask(cell: Instance, window: Window) -> tuple[int, int, np.ndarray]:
    """A cell in tile pixels: (y0, x0) of its crop, which may extend beyond the tile, and the (h, w) uint8 mask.

    Resized like the image and thresholded at one half, so that both stay aligned.
    """
    y0, x0, y1, x1 = cell.box
    s = window.scale
    ty0, tx0 = math.floor((y0 - window.y0) * s), math.floor((x0 - window.x0) * s)
    ty1, tx1 = math.ceil((y1 - window.y0) * s), math.ceil((x1 - window.x0) * s)
    margin = math.ceil(1 / s) + 1
    padded = np.pad(cell.mask.view(np.uint8) * np.uint8(255), margin)
    box = (
        window.x0 + tx0 / s - x0 + margin,
        window.y0 + ty0 / s - y0 + margin,
        window.x0 + tx1 / s - x0 + margin,
        window.y0 + ty1 / s - y0 + margin,
    )
    box = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], padded.shape[1]), min(box[3], padded.shape[0]))
    size = (max(1, tx1 - tx0), max(1, ty1 - ty0))
    small = Image.fromarray(padded).resize(size, Image.Resampling.BILINEAR, box=box)
    return ty0, tx0, (np.asarray(small) >= 128).view(np.uint8)


def cut_cells_of(
    sample: Sample, window: Window, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The cells of a window.

    Parameters
    ----------
    classes
        (N,) int64 of all the sample's cells.

    Returns
    -------
    boxes, classes, masks, ignore
        As in `TrainTile`.
    """
    side = window.side
    known = sample.boxes
    exact, near = _in_tile(known, window)
    boxes, kinds, masks, ignore = [], [], [], []
    height, width = sample.image.shape[1:]
    cut = at_border(known[near], (height, width))
    for n, cell, is_cut in zip(near, some(sample.cells, near), cut, strict=True):
        ty, tx, small = cut_mask(cell, window)
        (ry, py), (rx, px) = (_clip(t, length, side) for t, length in zip((ty, tx), small.shape, strict=True))
        part = small[py, px]
        seen, total = int(part.sum()), int(small.sum())
        whole = seen == total
        box = exact[n][[1, 0, 3, 2]]
        if not whole and seen:
            box = boxes_of_masks(part[None])[0] + np.array([rx.start, ry.start] * 2)
        if seen < VISIBLE_PIXELS or (seen < VISIBLE_PART * total and not is_cut):
            ignore.append(np.clip(box, 0, side))
            continue
        full = np.zeros((side, side), dtype=np.uint8)
        full[ry, rx] = part
        boxes.append(np.clip(box, 0, side))
        kinds.append(classes[n])
        masks.append(full)
    return (
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(kinds, dtype=np.int64),
        np.array(masks, dtype=np.uint8).reshape(-1, side, side),
        np.array(ignore, dtype=np.float32).reshape(-1, 4),
    )


def _in_tile(boxes: np.ndarray, window: Window) -> tuple[np.ndarray, list[int]]:
    """(N, 4) float64, boxes in tile pixels, and which of them meet the tile."""
    exact = (boxes - np.array([window.y0, window.x0] * 2)) * window.scale
    near = (exact[:, :2] < window.side - 1e-3).all(axis=1) & (exact[:, 2:] > 1e-3).all(axis=1)
    return exact, np.flatnonzero(near).tolist()


def cut_unreviewed(sample: Sample, window: Window) -> np.ndarray | None:
    """Mask of the unreviewed part of a window, (side, side) uint8; None for an image that is annotated in full.

    The outside of the image is known to be empty; doubtful cells in a reviewed region are not known.
    """
    if sample.reviewed is None:
        return None
    height, width = sample.image.shape[1:]
    unknown = np.zeros((window.side, window.side), dtype=np.uint8)
    unknown[_within((0, 0, height, width), window)] = 1
    for box in sample.reviewed:
        unknown[_within(box, window)] = 0
    for cell in some(sample.doubtful, _in_tile(boxes_of(sample.doubtful), window)[1]):
        ty, tx, small = cut_mask(cell, window)
        (ry, py), (rx, px) = (_clip(t, n, window.side) for t, n in zip((ty, tx), small.shape, strict=True))
        unknown[ry, rx] |= small[py, px]
    return unknown


def _within(box: Box, window: Window) -> tuple[slice, slice]:
    """The tile pixels of an image rectangle."""
    edges = (np.array(box) - np.array([window.y0, window.x0] * 2)) * window.scale
    y0, x0, y1, x1 = np.clip(np.round(edges), 0, window.side).astype(int)
    return slice(y0, y1), slice(x0, x1)


def _clip(start: int, length: int, side: int) -> tuple[slice, slice]:
    """The part of a run of pixels inside the tile: slices into the tile and into the run."""
    first, last = max(0, start), max(0, min(side, start + length))
    last = max(first, last)
    return slice(first, last), slice(first - start, last - start)


def pad(image: np.ndarray, part: tuple[int, int, int, int], side: int, rng: np.random.Generator) -> np.ndarray:
    """Fill the outside of the image with the border pixels, or with the background level."""
    y0, x0, y1, x1 = part
    if (y0, x0, y1, x1) == (0, 0, side, side):
        return image
    widths = ((0, 0), (y0, side - y1), (x0, side - x1))
    if rng.random() < 0.5:
        return np.pad(image, widths, mode="edge")
    padded = np.pad(image, widths)
    if rng.random() < 0.5:
        return padded
    outside = np.ones((side, side), dtype=bool)
    outside[y0:y1, x0:x1] = False
    padded[:, outside] = np.median(image[:, ::4, ::4], axis=(1, 2))[:, None]
    return padded
