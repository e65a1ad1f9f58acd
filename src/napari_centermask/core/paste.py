"""Paste small mask probabilities into the image: the pixel model of detectron2, without full-size masks.

A pixel centre (x + 0.5) is mapped linearly from the box to the 28 x 28 grid and interpolated bilinearly, zeros
outside, which is `grid_sample(align_corners=False)`. Bilinear weights are separable, so a mask is two small matrix
products. The box is not clipped: at the image border the mask is cut, never squeezed (the reference squeezes it).
"""

from __future__ import annotations

import numpy as np

Pasted = tuple[int, int, np.ndarray]

# Windows whose sides round up to the same multiple are computed together: 2,000 masks take 38 ms so, 240 ms one size at a time
# and 62 ms with multiples of 64 (scripts/benchmarks/limits.py).
_BUCKET = 16
# Pixels computed at once: a choice, 16 MB; from 65,536 to 16 million, time differs by a fifth (as above)
_CHUNK = 1 << 22


def paste(probability: np.ndarray, box: np.ndarray, shape: tuple[int, int], *, threshold: float = 0.5) -> Pasted | None:
    """Paste one mask; see `paste_many`."""
    return paste_many(np.asarray(probability)[None], np.asarray(box)[None], shape, threshold=threshold)[0]


def paste_many(
    probabilities: np.ndarray, boxes: np.ndarray, shape: tuple[int, int], *, threshold: float = 0.5
) -> list[Pasted | None]:
    """Paste mask probabilities into their boxes and crop them to the image.

    Parameters
    ----------
    probabilities
        (N, h, w) float in [0, 1], usually 28 x 28.
    boxes
        (N, 4) float, x0, y0, x1, y1 in image pixels (edges, not centres); may leave the image.
    shape
        (H, W) of the image.
    threshold
        Pixels with at least this probability belong to the mask; above 0.

    Returns
    -------
    list
        For each mask (y0, x0, crop): crop is (h, w) bool without empty border rows or columns, y0 and x0 its position in
        the image. None if no part of the mask is in the image.
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    windows = _windows(boxes, shape)
    sides = windows[:, 2:] - windows[:, :2]
    results: list[Pasted | None] = [None] * len(boxes)
    usable = np.flatnonzero((sides > 0).all(axis=1))
    for chosen in _chunks(usable, sides):
        crops = _interpolate(np.asarray(probabilities)[chosen], boxes[chosen], windows[chosen]) >= threshold
        for index, pasted in zip(chosen, _tight(crops, windows[chosen]), strict=True):
            results[index] = pasted
    return results


def _windows(boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(N, 4) int, y0, x0, y1, x1: the box, a pixel wider, cut to the image; empty for impossible boxes."""
    possible = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    limit = np.array([shape[1], shape[0], shape[1], shape[0]])
    safe = np.clip(np.where(possible[:, None], boxes, 0.0), -2.0, limit + 2.0)
    x0, y0 = np.floor(safe[:, 0]) - 1, np.floor(safe[:, 1]) - 1
    x1, y1 = np.ceil(safe[:, 2]) + 1, np.ceil(safe[:, 3]) + 1
    windows: np.ndarray = np.clip(np.stack([y0, x0, y1, x1], axis=1), 0, limit[[1, 0, 1, 0]]).astype(np.int64)
    windows[~possible] = 0
    return windows


def _chunks(usable: np.ndarray, sides: np.ndarray) -> list[np.ndarray]:
    """Groups of windows of about the same size that fit into memory."""
    if usable.size == 0:
        return []
    rounded = -(-sides[usable] // _BUCKET)
    keys = rounded[:, 0] * (1 << 32) + rounded[:, 1]
    order = np.argsort(keys, kind="stable")
    groups = np.split(usable[order], np.flatnonzero(np.diff(keys[order])) + 1)
    chunks = []
    for group in groups:
        size = max(1, _CHUNK // int(sides[group].max(axis=0).prod()))
        chunks += [group[start : start + size] for start in range(0, len(group), size)]
    return chunks


def _interpolate(probabilities: np.ndarray, boxes: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """(n, h, w) float32 probabilities at the pixels of windows that all start at their own corner."""
    rows = _weights(windows[:, 0], windows[:, 2], boxes[:, 1], boxes[:, 3], probabilities.shape[1])
    cols = _weights(windows[:, 1], windows[:, 3], boxes[:, 0], boxes[:, 2], probabilities.shape[2])
    pasted: np.ndarray = rows @ probabilities.astype(np.float32, copy=False) @ cols.transpose(0, 2, 1)
    return pasted


def _weights(start: np.ndarray, stop: np.ndarray, low: np.ndarray, high: np.ndarray, cells: int) -> np.ndarray:
    """(n, longest, cells) float32 bilinear weights of the mask's cells at pixels start to stop; zeros after stop."""
    scale = cells / (high - low)
    first = (start + 0.5 - low) * scale - 0.5
    pixels = np.arange((stop - start).max())
    position = first[:, None] + pixels * scale[:, None]
    position = np.where(pixels < (stop - start)[:, None], position, -1.0).astype(np.float32)
    weights = position[:, :, None] - np.arange(cells, dtype=np.float32)
    np.abs(weights, out=weights)
    np.subtract(1.0, weights, out=weights)
    return np.maximum(weights, 0.0, out=weights)


def _tight(crops: np.ndarray, windows: np.ndarray) -> list[Pasted | None]:
    """Crop the empty borders."""
    rows, cols = np.asarray(crops.any(axis=2)), np.asarray(crops.any(axis=1))
    top, left = rows.argmax(axis=1), cols.argmax(axis=1)
    bottom = rows.shape[1] - rows[:, ::-1].argmax(axis=1)
    right = cols.shape[1] - cols[:, ::-1].argmax(axis=1)
    some = np.asarray(rows.any(axis=1)).tolist()
    corners = np.stack([top, left, bottom, right], axis=1).tolist()
    origins = windows[:, :2].tolist()
    pasted: list[Pasted | None] = []
    for crop, (y0, x0, y1, x1), (oy, ox), filled in zip(crops, corners, origins, some, strict=True):
        pasted.append((oy + y0, ox + x0, crop[y0:y1, x0:x1].copy()) if filled else None)
    return pasted
