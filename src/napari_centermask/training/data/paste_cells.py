"""Copy-paste augmentation: overlapping cells with whole masks, from data without overlaps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_centermask.training.data.augment import boxes_of

LARGEST_COVER = 0.6
"""At most this fraction of a cell may lie under or over another one: beyond that, too little of it is visible.

Of the overlaps in the composites 95 % are below 0.51, the largest is 0.55 (docs/benchmarks.md, "What annotated cells are like").
"""
# Chosen, not measured one by one.
_ADDED = 0.7  # fraction of the tiles in which cells add light, as in widefield microscopy; else they hide what is below
_BESIDE = 0.75  # fraction of the cells put beside an existing one
_SEEN = 0.3  # cells with less than this inside the tile are not pasted
# Lowest light, as a fraction of the intensity range, for a cell to count as brighter than its surroundings
_BRIGHT = 0.1
_MARGIN = 3  # pixels around a cell that belong to its patch, for its soft edge of a pixel
_REACH = 0.45, 0.95  # distance of the centres as a fraction of the distance at which the cells would touch


@dataclass(frozen=True, slots=True)
class Patch:
    """A cell cut out of a tile: what it adds to the background.

    Attributes
    ----------
    light
        (C, h, w) float32, intensity above the donor's background, including a margin around the cell.
    alpha
        (h, w) float32 in [0, 1], the cell with soft edges.
    mask
        (h, w) uint8.
    kind
        The cell's class.
    """

    light: np.ndarray
    alpha: np.ndarray
    mask: np.ndarray
    kind: int = 0

    def turned(self, turns: int, *, flip: bool) -> Patch:
        """The same cell in one of its eight orientations."""

        def turn(a: np.ndarray) -> np.ndarray:
            return np.rot90(a[..., ::-1] if flip else a, turns, axes=(-2, -1))

        return Patch(turn(self.light), turn(self.alpha), turn(self.mask), self.kind)


def cut_cells(
    image: np.ndarray, boxes: np.ndarray, classes: np.ndarray, masks: np.ndarray, *, margin: int = _MARGIN
) -> list[Patch]:
    """Cut out the cells that lie entirely in the tile and overlap no other.

    Parameters
    ----------
    image
        (C, H, W) float32.
    boxes, classes, masks
        (N, 4) float, (N,) and (N, H, W) uint8.
    margin
        Pixels around the cell to include.
    """
    if len(masks) == 0:
        return []
    height, width = image.shape[1:]
    cover = masks.sum(axis=0, dtype=np.uint8)
    outside = cover == 0
    step = image[:, ::4, ::4][:, outside[::4, ::4]]
    background = np.median(step, axis=1) if step.size else np.zeros(len(image), np.float32)
    patches = []
    for box, kind, mask in zip(boxes, classes, masks, strict=True):
        x0, y0 = np.floor(box[:2]).astype(int) - margin
        x1, y1 = np.ceil(box[2:]).astype(int) + margin
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
            continue
        window = np.s_[y0:y1, x0:x1]
        cell = mask[window]
        if not cell.any() or cover[window][cell > 0].max() > 1:
            continue
        alpha = gaussian_filter(cell.astype(np.float32), 1.0, truncate=3.0)
        light = (image[:, y0:y1, x0:x1] - background[:, None, None]).astype(np.float32)
        patches.append(Patch(light, alpha, cell, int(kind)))
    return patches


def paste_patch(image: np.ndarray, patch: Patch, origin: tuple[int, int], *, additive: bool) -> np.ndarray:
    """Put a cell onto an image at `origin` (y, x of the patch's first pixel); parts outside are cropped.

    Additive mimics a widefield microscope, whose light passes through other cells; else the cell hides what lies below it.
    """
    image = image.copy()
    (ty, py), (tx, px) = (_overlap(o, n, t) for o, n, t in zip(origin, patch.mask.shape, image.shape[1:], strict=True))
    alpha, light, target = patch.alpha[py, px], patch.light[:, py, px], image[:, ty, tx]
    if additive:
        target += alpha * light
    else:
        level = np.median(image, axis=(1, 2))[:, None, None]
        target += alpha * (light + level - target)
    return image


def _overlap(origin: int, length: int, target: int) -> tuple[slice, slice]:
    start, stop = max(origin, 0), min(origin + length, target)
    stop = max(start, stop)
    return slice(start, stop), slice(start - origin, stop - origin)


def place_mask(patch: Patch, origin: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """The pasted cell's mask, (H, W) uint8."""
    mask = np.zeros(shape, dtype=np.uint8)
    (ty, py), (tx, px) = (_overlap(o, n, t) for o, n, t in zip(origin, patch.mask.shape, shape, strict=True))
    mask[ty, tx] = patch.mask[py, px]
    return mask


def paste_cells(
    image: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    masks: np.ndarray,
    *,
    donors: list[Patch],
    rng: np.random.Generator,
    light: tuple[float, float] = (0.6, 1.2),
    most: int = 6,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Add up to `most` cells, most of them partly over existing ones; every mask stays whole.

    A position where a cell would cover, or be covered, by more than `LARGEST_COVER` is skipped.

    Parameters
    ----------
    image, boxes, classes, masks
        The tile: (C, H, W), (N, 4), (N,), (N, H, W).
    donors
        Cells to choose from, of `cut_cells`.
    light
        Range of the factor on the light of cells that add theirs.

    Returns
    -------
    image, boxes, classes, masks
        The tile with the pasted cells after the existing ones.
    """
    if not donors:
        return image, boxes, classes, masks
    additive = rng.random() < _ADDED
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    covers, kinds = list(masks), list(classes)
    for _ in range(int(rng.integers(1, most + 1))):
        patch = donors[int(rng.integers(len(donors)))]
        patch = patch.turned(int(rng.integers(4)), flip=bool(rng.random() < 0.5))
        origin = _choose_place(patch, boxes, image.shape[1:], rng)
        mask = place_mask(patch, origin, image.shape[1:])
        if mask.sum() < _SEEN * patch.mask.sum() or _covers_too_much(mask, covers):
            continue
        # Light can be added only where the cell is brighter than its surroundings.
        adds = additive and float(patch.light[:, patch.mask > 0].mean()) > _BRIGHT
        if adds:
            patch = replace(patch, light=patch.light * np.float32(rng.uniform(*light)))
        image = paste_patch(image, patch, origin, additive=adds)
        boxes = np.concatenate([boxes, boxes_of(mask[None])])
        covers.append(mask)
        kinds.append(patch.kind)
    shape = (-1, *image.shape[1:])
    return image, boxes, np.array(kinds, np.int64), np.array(covers, np.uint8).reshape(shape)


def _choose_place(patch: Patch, boxes: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Beside an existing cell so that the two overlap a little (three out of four), or anywhere."""
    size = np.array(patch.mask.shape)
    if len(boxes) and rng.random() < _BESIDE:
        x0, y0, x1, y1 = boxes[int(rng.integers(len(boxes)))]
        angle = rng.uniform(0, 2 * np.pi)
        reach = 0.5 * (np.array([y1 - y0, x1 - x0]) + size - 2 * _MARGIN) * rng.uniform(*_REACH)
        centre = np.array([(y0 + y1) / 2, (x0 + x1) / 2]) + reach * np.array([np.sin(angle), np.cos(angle)])
    else:
        centre = rng.uniform(0, 1, 2) * np.array(shape)
    y, x = np.round(centre - size / 2).astype(int)
    return int(y), int(x)


def _covers_too_much(mask: np.ndarray, others: list[np.ndarray]) -> bool:
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    cell = mask[window]
    for other in others:
        shared = int(np.count_nonzero(cell & other[window]))
        if shared and shared > LARGEST_COVER * min(int(cell.sum()), int(other.sum())):
            return True
    return False
