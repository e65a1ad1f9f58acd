"""Masks of COCO annotations: from polygons and run lengths to tight crops. Memory is bounded, whatever the file claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from napari_centermask.io import rle, rle_many
from napari_centermask.io.coco import polygons_many
from napari_centermask.io.rle import Crop

T = TypeVar("T")
LONGEST_OUTLINE = 2**22
"""Most pixels of a polygon's outline: pycocotools needs about 40 bytes for each."""
# Annotations decoded in one step, and characters of each: a few hundred megabytes at worst, three for common cells
_AT_ONCE, _LONGEST_COUNTS = 1024, 1 << 12
LARGEST_FILE = 2**31
"""Most pixels of the boxes of all masks of a file."""


def read_mask(segmentation: object, shape: tuple[int, int]) -> Crop | None:
    """A COCO segmentation as (y0, x0, mask bool), tight; None if nothing is drawn.

    Polygons are rasterised by pycocotools and united; run lengths may be a list or ASCII text.

    Raises
    ------
    ValueError
        With what is wrong, as the end of a sentence.
    """
    if isinstance(segmentation, list):
        return rasterise([outline(p) for p in segmentation], shape)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise ValueError(f"expected polygons or RLE, got {type(segmentation).__name__}")
    size = segmentation.get("size")
    if not isinstance(size, list) or size != list(shape):
        raise ValueError(f"expected an RLE size of {list(shape)}, got {size}")
    try:
        return rle.decode(runs_of(segmentation["counts"]), shape)
    except ValueError as error:
        raise ValueError(f"its RLE is damaged: {error}") from error


def read_masks(items: Sequence[dict[str, Any]], shapes: Mapping[Any, tuple[int, int]]) -> Iterator[Crop | None]:
    """The crops of annotations, many plain ones at once; None for what `read_mask` is to judge.

    Parameters
    ----------
    shapes
        (H, W) of the images by the `image_id` of the annotations.
    """
    for start in range(0, len(items), _AT_ONCE):
        part = items[start : start + _AT_ONCE]
        texts, runs, polygons = _Plain[str](), _Plain[list[int]](), _Plain[polygons_many.Parts]()
        for k, item in enumerate(part):
            segmentation, image = item.get("segmentation"), item.get("image_id")
            if type(image) is not int or image not in shapes:
                continue
            if polygons_many.are_plain(segmentation):
                polygons.add(k, segmentation, shapes[image])
            elif isinstance(counts := _plain_counts(segmentation, shapes[image]), str):
                texts.add(k, counts, shapes[image])
            elif counts is not None:
                runs.add(k, counts, shapes[image])
        crops: list[Crop | None] = [None] * len(part)
        texts.give(rle_many.decode(texts.values, texts.shapes), crops)
        runs.give(rle_many.decode_runs(runs.values, runs.shapes), crops)
        polygons.give(polygons_many.draw(polygons.values, polygons.shapes), crops)
        yield from crops


class _Plain(Generic[T]):
    """Annotations of one kind: their places in a list, what is drawn, and the (H, W) of their images."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.values: list[T] = []
        self.shapes: list[tuple[int, int]] = []

    def add(self, place: int, value: T, shape: tuple[int, int]) -> None:
        """Take in an annotation."""
        self.places.append(place)
        self.values.append(value)
        self.shapes.append(shape)

    def give(self, drawn: Sequence[Crop | None] | None, crops: list[Crop | None]) -> None:
        """Put what was drawn at its places."""
        for place, crop in zip(self.places, drawn or [], strict=False):
            crops[place] = crop


def _plain_counts(segmentation: object, shape: tuple[int, int]) -> str | list[int] | None:
    """Run lengths as text or as a list, of the size of their image."""
    if type(segmentation) is not dict:
        return None
    counts: Any = segmentation.get("counts")
    if type(counts) not in (str, list) or not 0 < len(counts) < _LONGEST_COUNTS:
        return None
    plain: str | list[int] | None = counts if segmentation.get("size") == [*shape] else None
    return plain


def runs_of(counts: object) -> list[int]:
    """Run lengths of either kind of COCO counts.

    Raises
    ------
    ValueError
        If they are damaged.
    """
    if isinstance(counts, str):
        return rle.decompress(counts)
    if not isinstance(counts, list):
        raise ValueError(f"expected counts as text or a list, got {type(counts).__name__}")
    try:
        return [int(c) for c in counts]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"expected whole numbers: {error}") from error


def outline(polygon: object) -> np.ndarray:
    """One COCO polygon [x, y, x, y, ...] as (n, 2) x, y.

    Raises
    ------
    ValueError
        Unless it has three finite points or more.
    """
    try:
        values = np.asarray(polygon if isinstance(polygon, list) else [], dtype=float)
    except (TypeError, ValueError, OverflowError):
        values = np.empty(0)
    if values.ndim != 1 or len(values) < 6 or len(values) % 2 or not np.isfinite(values).all():
        raise ValueError(f"expected polygons of at least three x, y points, got {values.size} numbers")
    return values.reshape(-1, 2)


def rasterise(parts: list[np.ndarray], shape: tuple[int, int]) -> Crop | None:
    """Union of polygons, each (n, 2) x, y, as pycocotools draws them, in the window of their box.

    Raises
    ------
    ValueError
        If an outline or the window is too large to draw.
    """
    from pycocotools import mask as coco_mask

    sides = np.array([shape[1], shape[0]])
    parts = [p for p in (_near(part, sides) for part in parts) if len(p)]
    if not parts:
        return None
    points = np.concatenate(parts)
    low = np.floor(np.clip(points.min(axis=0), 0, sides)).astype(int)
    high = np.minimum(np.ceil(np.clip(points.max(axis=0), 0, sides)).astype(int) + 1, sides)
    if (high <= low).any():
        return None
    if sum(_length(p) for p in parts) > LONGEST_OUTLINE:
        raise ValueError(f"its outline is longer than {LONGEST_OUTLINE} pixels")
    window = int(high[1] - low[1]), int(high[0] - low[0])
    if window[0] * window[1] > rle.LARGEST_MASK:
        raise ValueError(
            f"a mask of {window[0]} x {window[1]} pixels is larger than the {rle.LARGEST_MASK} that are read"
        )
    drawn = coco_mask.merge(coco_mask.frPyObjects([(p - low).ravel().tolist() for p in parts], *window))
    crop = rle.decode(rle.decompress(drawn["counts"].decode("ascii")), window)
    return None if crop is None else (crop[0] + int(low[1]), crop[1] + int(low[0]), crop[2])


def _length(points: np.ndarray) -> float:
    return float(np.abs(np.roll(points, -1, axis=0) - points).max(axis=1).sum())


def _near(points: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """The polygon, clipped far outside the image where pycocotools' integers would overflow."""
    far = sides.max() + 1024.0
    for axis in (0, 1):
        for sign, limit in ((1, sides[axis] + far), (-1, far)):
            if len(points) and (sign * points[:, axis] > limit).any():
                points = _cut(points, axis, sign, limit)
    return points


def _cut(points: np.ndarray, axis: int, sign: int, limit: float) -> np.ndarray:
    """The part where sign * coordinate <= limit; Sutherland and Hodgman 1974."""
    kept: list[np.ndarray] = []
    for a, b in zip(np.roll(points, 1, axis=0), points, strict=True):
        value_a, value_b = sign * a[axis], sign * b[axis]
        if (value_a <= limit) != (value_b <= limit):
            part = (limit / 2 - value_a / 2) / (value_b / 2 - value_a / 2)  # halves: their difference stays finite
            crossing = a * (1 - part) + b * part
            crossing[axis] = sign * limit
            kept.append(crossing)
        if value_b <= limit:
            kept.append(b)
    return np.array(kept).reshape(-1, 2)
