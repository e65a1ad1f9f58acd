"""Read segmentations that break the rules of COCO, where only one meaning is possible."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_centermask.io.coco.categories import whole
from napari_centermask.io.coco.masks import outline, rasterise, read_mask
from napari_centermask.io.rle import Crop


@dataclass
class Repaired:
    """A mask and what was repaired, or why there is none."""

    crop: Crop | None = None
    refusal: str = ""
    notes: list[str] = field(default_factory=list)


def repair_mask(item: dict[str, Any], shape: tuple[int, int], *, boxes: bool = False) -> Repaired:
    """The mask of an annotation.

    Parameters
    ----------
    boxes
        Use the box where there is no outline.
    """
    out = Repaired()
    segmentation = item.get("segmentation")
    try:
        if isinstance(segmentation, dict) and segmentation:
            out.crop = read_mask(_mended_rle(segmentation, shape, out.notes), shape)
        elif isinstance(segmentation, list) and segmentation:
            out.crop = rasterise(_mended_polygons(segmentation, shape, out.notes), shape)
        elif segmentation:
            raise ValueError(f"expected polygons or RLE, got {type(segmentation).__name__}")
        else:
            out.crop = _box(item.get("bbox"), shape, boxes, out.notes)
    except ValueError as error:
        out.refusal = str(error)
    else:
        out.refusal = "" if out.crop is not None else "it covers no pixel of the image"
    return out


def _mended_rle(segmentation: dict[str, Any], shape: tuple[int, int], notes: list[str]) -> dict[str, Any]:
    size = segmentation.get("size")
    if size is None:
        notes.append("the size of an RLE was missing")
        size = list(shape)
    elif isinstance(size, list) and not all(isinstance(s, int) for s in size):
        mended = [whole(s) for s in size]
        if mended == list(shape):
            notes.append("the size of an RLE was text")
            size = mended
    return segmentation | {"size": size}


def _mended_polygons(parts: list[Any], shape: tuple[int, int], notes: list[str]) -> list[np.ndarray]:
    if all(isinstance(v, (int, float)) for v in parts):
        notes.append("a polygon was not in a list")
        parts = [parts]
    outlines = []
    for part in parts:
        points = _mended_polygon(part, notes)
        if points is not None:
            outlines.append(points)
    if not outlines:
        raise ValueError("none of its polygons has three points")
    points = np.concatenate(outlines)
    if (points < -1).any() or (points > np.array([shape[1], shape[0]]) + 1).any():
        notes.append("a polygon was cut at the border of the image")
    return outlines


def _mended_polygon(part: object, notes: list[str]) -> np.ndarray | None:
    """(n, 2) x, y; None for parts that have no area."""
    try:
        values = np.asarray(part, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("a polygon has a value that is not a number") from None
    if values.ndim > 3:
        raise ValueError("a polygon is nested too deeply")
    if values.ndim != 1 and values.size:
        notes.append("the points of a polygon were pairs")
    values = values.ravel()
    if len(values) % 2:
        notes.append("a polygon ended in the middle of a point")
        values = values[:-1]
    if not np.isfinite(values).all():
        raise ValueError("a polygon has a value that is not a number")
    if len(values) < 6:
        notes.append("a part with fewer than three points was left out")
        return None
    return outline(values.tolist())


def _box(bbox: object, shape: tuple[int, int], boxes: bool, notes: list[str]) -> Crop | None:
    try:
        values = np.asarray(bbox if isinstance(bbox, list) else [], dtype=float)
    except (TypeError, ValueError, OverflowError):
        values = np.empty(0)
    if values.shape != (4,) or not np.isfinite(values).all():
        raise ValueError("it has no outline")
    if not boxes:
        raise ValueError("it has only a box, no outline")
    x, y, w, h = values
    notes.append("the box was used as the outline")
    return rasterise([np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])], shape)
